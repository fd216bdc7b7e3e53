import os
import subprocess
import sys
from pathlib import Path

from gunicorn.glogging import Logger

from config.environment import flag

bind = "0.0.0.0:8000"
reload = flag("RELOAD", default=flag("DEBUG"))
workers = int(os.environ.get("WEB_CONCURRENCY", "1" if reload else "2"))
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS", "4"))
# Heartbeats of the workers are files; on a slow disk they would look dead.
worker_tmp_dir = "/dev/shm"
timeout = 60
graceful_timeout = 5
control_socket_disable = True

accesslog = "-"
access_log_format = '%({x-forwarded-for}i)s "%(r)s" %(s)s %(b)s %(M)sms'


class ProbesAside(Logger):
    """Leaves out probes that pass: they come every other second, and nobody wants to read them."""

    def access(self, resp, req, environ, request_time):
        if req.path != "/health" or resp.status_code != 200:
            super().access(resp, req, environ, request_time)


logger_class = ProbesAside

if reload:
    # A module that failed to import is not among those gunicorn watches by itself, and
    # style sheets never are.
    here = Path(__file__).parent
    reload_extra_files = [
        str(path)
        for suffix in ("py", "css")
        for package in ("config", "campaigns")
        for path in (here / package).rglob(f"*.{suffix}")
    ]


def pre_fork(server, worker):
    """Before a worker that replaces one: the files that changed may have been static ones."""
    if reload and worker.age > workers:
        subprocess.run([sys.executable, "manage.py", "collectstatic", "--noinput"], check=False)
