import os
import traceback

from django.core.wsgi import get_wsgi_application

from config.environment import flag

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def broken(report: str):
    """Stands in for an application that does not load."""

    def application(environ, start_response):
        start_response("500 Internal Server Error", [("Content-Type", "text/plain; charset=utf-8")])
        return [report.encode()]

    return application


try:
    application = get_wsgi_application()
except Exception:
    # Gunicorn would stop for good. In development the code is about to be mended.
    if not flag("RELOAD", default=flag("DEBUG")):
        raise
    traceback.print_exc()
    application = broken(traceback.format_exc())
