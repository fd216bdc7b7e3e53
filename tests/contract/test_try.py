from __future__ import annotations
from pathlib import Path
import gc
from tests.harness import DevenvProject

def test_real(tmp_path: Path, base_image: str) -> None:
    project = DevenvProject(tmp_path, {"devenv.yaml": "name: devenv-test-try\n"})
    out = project.run("status", "--json").ok()
    print(out.data)
    assert project.run("logs").code == 1
    gc.collect()

def test_spawn(tmp_path: Path) -> None:
    project = DevenvProject(tmp_path, {"devenv.yaml": "name: devenv-test-try\n"})
    with project.spawn("status", "--json") as p:
        print(p.wait(20))
    with project.spawn("status", "--watch") as p:
        print(p.out.until("SERVICE"))
        p.interrupt()
        print(p.wait(20))
