"""What is noted of a start, as the waterfall that it prints."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from devenv.events import Event, Phase, Status
from devenv.timeline import Life, Mark, Record, waterfall_of
from tests.samples import project

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devenv.waterfall import Waterfall

ALL_AT_ONCE = ["databasemaster", "mailcatcher", "backend", "taskrunner", "frontend"]
FROM_NOTHING = """
    up of shop (image, seed, branch, create, start) took 12.20 s

    SERVICE         PHASE           AT    TOOK    0 s                      12.20 s
    databasemaster  image         0.40    0.60   | ==                             |
                    seed          4.10    2.90 * |           #######              |
                    branch        7.00    0.40 * |                  #             |
                    create        7.53    0.13   |                    =           |
                    start         8.50    0.20 * |                      #         |
                    first probe   8.70    0.30 * |                       #        |
                    healthy       9.00    0.50 * |                        #       |
                    spare        11.10    0.90 * |                             ## |
    base            image         0.40    1.60 * | ####                           |
    backend         image         2.00    2.00 * |     #####                      |
                    create        7.87    0.13   |                     =          |
                    start         9.50    0.20 * |                         #      |
                    first probe   9.70    0.25 * |                         #      |
                    healthy       9.95    1.05 * |                          ###   |
    taskrunner      image         2.00    2.00   |     =====                      |
                    create        8.03    0.13   |                     =          |
                    start         9.50    0.20   |                         =      |
                    first probe   9.70    0.25   |                         =      |
                    healthy       9.95    0.55   |                          ==    |
    compose         create        7.50    1.00 * |                    ##          |
    mailcatcher     create        7.70    0.13   |                    =           |
                    start         8.50    0.20   |                      =         |
                    healthy       8.70    0.50   |                       =        |
    frontend        create        8.20    0.13   |                      =         |
                    start         9.75    0.15   |                          =     |
                    first probe   9.90    0.25   |                          =     |
                    healthy      10.15    0.05   |                           =    |
    devenv itself                         0.90   |-         -        -         - -|

    * critical path: base image > backend image > databasemaster seed, branch > compose create > databasemaster start, first probe, healthy > backend start, first probe, healthy > databasemaster spare
"""
ONLY_STARTED = """
    up of shop (start) took 1.65 s

    SERVICE         PHASE           AT    TOOK    0 s                       1.65 s
    databasemaster  start         0.30    0.10 * |      ##                        |
                    healthy       0.40    0.50 * |        #########               |
    mailcatcher     start         0.30    0.10   |      ==                        |
                    healthy       0.40    0.20   |        ====                    |
    backend         start         0.90    0.10 * |                 ##             |
                    healthy       1.00    0.60 * |                   ############ |
    devenv itself                         0.35   |------                         -|

    * critical path: databasemaster start, healthy > backend start, healthy
"""
ONE_SLOW = """
    up of shop (create, start) took 9.60 s

    SERVICE         PHASE           AT    TOOK    0 s                       9.60 s
    compose         create        0.30    0.70 * | ##                             |
    mailcatcher     create        0.34    0.14   | =                              |
                    start         1.00    0.10 * |   #                            |
                    first probe   1.10    0.25 * |    #                           |
                    healthy       1.35    8.15 * |     ###########################|
    databasemaster  create        0.51    0.14   |  =                             |
                    start         1.00    0.10   |   =                            |
                    healthy       1.10    0.90   |    ===                         |
    backend         create        0.69    0.14   |  =                             |
                    start         2.00    0.10   |       =                        |
                    healthy       2.10    0.90   |       ===                      |
    devenv itself                         0.40   |-                              -|

    * critical path: compose create > mailcatcher start, first probe, healthy
"""
FAILED = """
    up of shop (start) failed after 2.50 s

    SERVICE         PHASE           AT    TOOK    0 s                       2.50 s
    databasemaster  start         0.30    0.10 * |    #                           |
                    healthy       0.40    0.50 * |     #######                    |
    mailcatcher     start         0.30    2.20   |    ============================|
    backend         start         0.90    0.10 * |            #                   |
                    first probe   1.00    0.25 * |             ###                |
                    healthy       1.25    1.15 X |                XXXXXXXXXXXXXXX |
    devenv itself                         0.30   |----                            |

    * critical path: databasemaster start, healthy > backend start, first probe, healthy
"""


def working(at: float, resource: str, phase: Phase, detail: str = "") -> Mark:
    return Mark(at, Event(resource, Status.WORKING, "a text", detail, phase))


def ended(at: float, resource: str, status: Status = Status.DONE) -> Mark:
    return Mark(at, Event(resource, status, "a text"))


def ascent(service: str, begin: float, end: float, status: Status = Status.DONE) -> list[Mark]:
    return [working(begin, service, Phase.START), ended(end, service, status)]


def creation(begin: float, end: float, *services: str) -> list[Mark]:
    """What Compose says while it makes these services' containers, one after the other."""
    step = (end - begin) / (len(services) + 1)
    marks = [working(begin, "containers", Phase.CREATE)]
    for number, service in enumerate(services):
        for part, state in ((0.2, "Creating"), (1.0, "Created")):
            line = f"Container shop-{service}-1  {state}"
            marks.append(working(begin + (number + part) * step, "containers", Phase.CREATE, line))
    return [*marks, ended(end, "containers")]


def life(service: str, started: float | None = None, probed: float | None = None, number: int = 1) -> Life:
    return Life(f"shop-{service}-{number}", service, started, probed)


def drawn(marks: Iterable[Mark], lives: Iterable[Life], seconds: float, *, failed: bool = False) -> Waterfall:
    services = project().services
    return waterfall_of(Record("shop", services, list(marks), list(lives), seconds, failed))


def block(text: str) -> str:
    return dedent(text).strip()


def from_nothing() -> Waterfall:
    marks = [
        working(0.4, "image database", Phase.IMAGE),
        working(0.4, "image base", Phase.IMAGE),
        ended(1.0, "image database"),
        ended(2.0, "image base"),
        working(2.0, "image backend", Phase.IMAGE),
        ended(4.0, "image backend"),
        working(4.1, "database", Phase.SEED),
        Mark(4.5, Event("database", Status.WORKING, "seed 1 of 2")),
        working(7.0, "database", Phase.BRANCH),
        ended(7.4, "database"),
        *creation(7.5, 8.5, *ALL_AT_ONCE),
        *ascent("databasemaster", 8.5, 9.5),
        *ascent("mailcatcher", 8.5, 9.2),
        Mark(8.5, Event("backend", Status.WORKING, "waiting for databasemaster")),
        *ascent("backend", 9.5, 11.0),
        *ascent("taskrunner", 9.5, 10.5),
        *ascent("frontend", 9.75, 10.2),
        working(11.1, "spare", Phase.SPARE),
        ended(12.0, "spare"),
    ]
    lives = [
        life("databasemaster", 8.7, 9.0),
        life("mailcatcher", 8.7),
        life("backend", 9.7, 9.95),
        life("taskrunner", 9.7, 9.95),
        life("frontend", 9.9, 10.15),
    ]
    return drawn(sorted(marks, key=lambda mark: mark.at), lives, 12.2)


def test_from_nothing() -> None:
    assert str(from_nothing()) == block(FROM_NOTHING)


def test_how_many_came_up_is_part_of_what_was_done() -> None:
    marks = ascent("taskrunner", 1.0, 3.0)
    lives = [life("taskrunner", 1.5, number=one) for one in (1, 2, 3)]
    assert drawn(marks, lives, 3.1).work == "3 taskrunner start"
    ran_before = life("taskrunner", -60.0, number=4)
    assert drawn(marks, [*lives, ran_before], 3.1).work == "3 taskrunner start"


def test_only_started() -> None:
    marks = [
        *ascent("databasemaster", 0.3, 0.9),
        *ascent("mailcatcher", 0.3, 0.6),
        *ascent("backend", 0.9, 1.6),
    ]
    found = drawn(marks, [life("databasemaster", 0.4), life("mailcatcher", 0.4), life("backend", 1.0)], 1.65)
    assert str(found) == block(ONLY_STARTED)


def test_one_slow_service() -> None:
    """What was slow while others waited for something else is not what decided."""
    marks = [
        *creation(0.3, 1.0, "mailcatcher", "databasemaster", "backend"),
        *ascent("databasemaster", 1.0, 2.0),
        *ascent("mailcatcher", 1.0, 9.5),
        *ascent("backend", 2.0, 3.0),
    ]
    found = drawn(
        marks, [life("databasemaster", 1.1), life("mailcatcher", 1.1, 1.35), life("backend", 2.1)], 9.6
    )
    assert str(found) == block(ONE_SLOW)


def test_a_failed_start() -> None:
    """What failed decided the end; what came up beside it is cut off there."""
    marks = [
        *ascent("databasemaster", 0.3, 0.9),
        working(0.3, "mailcatcher", Phase.START),
        *ascent("backend", 0.9, 2.4, Status.FAILED),
    ]
    found = drawn(marks, [life("databasemaster", 0.4), life("backend", 1.0, 1.25)], 2.5, failed=True)
    assert str(found) == block(FAILED)


def test_nothing_to_do() -> None:
    assert str(drawn([ended(0.3, "backend")], [life("backend", -100.0)], 0.4)) == block("""
        up of shop (nothing to do) took 0.40 s

        SERVICE        PHASE           AT    TOOK    0 s                       0.40 s
        devenv itself                        0.40   |--------------------------------|
    """)


def spans(found: Waterfall, *names: str) -> list[str]:
    """The spans of these rows, the critical with a mark."""
    return [
        f"{span.service} {span.phase} {span.begin:g}-{span.end:g}{' *' * span.critical}{' X' * span.failed}"
        for span in found.spans
        if span.service in names
    ]


def test_what_failed_without_a_word_is_what_was_begun_last() -> None:
    marks = [
        working(0.2, "image backend", Phase.IMAGE),
        ended(0.5, "image backend"),
        working(0.6, "database", Phase.SEED),
    ]
    found = drawn(marks, [], 3.0, failed=True)
    assert spans(found, "databasemaster") == ["databasemaster seed 0.6-3 * X"]


def test_an_image_is_shown_with_every_service_that_runs_it() -> None:
    marks = [working(0.2, "image backend", Phase.IMAGE), ended(0.5, "image backend")]
    found = spans(drawn(marks, [], 1.0), "backend", "taskrunner", "image backend")
    assert found == ["backend image 0.2-0.5 *", "taskrunner image 0.2-0.5"]


def test_a_container_that_never_ran_was_being_started() -> None:
    marks = ascent("backend", 0.5, 2.0, Status.FAILED)
    assert spans(drawn(marks, [life("backend")], 2.0, failed=True), "backend") == ["backend start 0.5-2 * X"]


def test_an_engine_with_another_clock_is_not_believed() -> None:
    marks = ascent("backend", 0.5, 2.0)
    assert spans(drawn(marks, [life("backend", 3605.0, 3606.0)], 2.0), "backend") == [
        "backend healthy 0.5-2 *"
    ]


def test_the_last_of_several_containers_speaks_for_the_service() -> None:
    lives = [life("taskrunner", 0.6, 1.1), life("taskrunner", 0.8, 0.9, number=2)]
    found = drawn(ascent("taskrunner", 0.5, 2.0), lives, 2.0)
    assert spans(found, "taskrunner") == [
        "taskrunner start 0.5-0.8 *",
        "taskrunner first probe 0.8-1.1 *",
        "taskrunner healthy 1.1-2 *",
    ]


def test_compose_that_tells_no_beginning_began_all_at_once() -> None:
    line = "Container shop-backend-1  Recreated"
    marks = [
        working(0.5, "containers", Phase.CREATE),
        working(0.9, "containers", Phase.CREATE, line),
        ended(1.0, "containers"),
    ]
    found = drawn(marks, [life("backend")], 1.0)
    assert spans(found, "backend", "compose") == ["compose create 0.5-1 *", "backend create 0.5-0.9"]


def test_a_wait_for_another_command_is_not_devenvs_own() -> None:
    marks = [working(0.1, "devenv", Phase.WAIT), ended(5.1, "devenv"), *ascent("backend", 5.2, 6.0)]
    found = drawn(marks, [life("backend", 5.3)], 6.0)
    assert (found.overhead, found.kind) == (0.2, "wait, start")
    assert found.path == ("devenv wait", "backend start, healthy")


def test_what_was_done_is_the_same_however_long_it_took() -> None:
    quick = drawn(ascent("backend", 0.5, 1.0), [life("backend", 0.6, 0.7)], 1.0)
    slow = drawn(ascent("backend", 0.5, 9.0), [life("backend")], 9.0)
    other = drawn(ascent("frontend", 0.5, 1.0), [life("frontend", 0.6)], 1.0)
    assert quick.work == slow.work
    assert quick.work != other.work
