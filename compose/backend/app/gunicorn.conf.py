import fcntl
import os
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
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


def post_worker_init(worker):
    """Before it answers: lay the static files out for the web server.

    A process of its own would load Django once more, which takes as long as all the rest of a start.
    A worker that replaces one does it again, because the files that changed may have been static ones.
    """
    if not apps.ready:  # the code does not load, and with `reload` the pages say why
        return
    folder = os.open(settings.STATIC_ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # the workers of a pod share it
        call_command("collectstatic", interactive=False)
    except Exception:
        if worker.age <= workers:
            raise
        worker.log.exception("The static files are as they were")
    finally:
        os.close(folder)
