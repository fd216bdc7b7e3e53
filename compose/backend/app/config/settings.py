import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from config.environment import flag, words

BASE_DIR = Path(__file__).resolve().parent.parent
GENERATED_CONTENT = BASE_DIR / "generated_content"

DEBUG = flag("DEBUG")
RELOAD = flag("RELOAD", default=DEBUG)

# All pods have to share one key, so a missing one must not be made up.
SECRET_KEY = os.environ.get("SECRET_KEY") or ("for-development-only" if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is not set (only DEBUG=1 does without)")

# The two local names are for the health probe, which runs inside the container.
ALLOWED_HOSTS = ["*"] if DEBUG else ["localhost", "127.0.0.1", *words("ALLOWED_HOSTS")]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SITE_URL = os.environ.get("SITE_URL", "http://localhost").rstrip("/")

INSTALLED_APPS = [
    # First: its db_worker command takes the place of the one in django_tasks_db.
    "campaigns",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "django_tasks",
    "django_tasks_db",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "campaigns.middleware.DatabaseUnavailable",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "context_processors": ["django.template.context_processors.request"],
            "loaders": [
                # Named like this the loader does not cache: a changed template shows at once.
                "django.template.loaders.app_directories.Loader"
                if RELOAD
                else (
                    "django.template.loaders.cached.Loader",
                    ["django.template.loaders.app_directories.Loader"],
                )
            ],
        },
    }
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.mysql",
        "HOST": os.environ.get("DB_HOST", "database"),
        "PORT": os.environ.get("DB_PORT", "3306"),
        "USER": os.environ.get("DB_USER", "root"),
        "PASSWORD": os.environ.get("DB_PWD", ""),
        "NAME": os.environ.get("DB_NAME", "app"),
        # Connections are kept, and tested before use: the server may have been replaced meanwhile.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"charset": "utf8mb4", "connect_timeout": 3},
    }
}

TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
# A worker proves that it is alive by touching this file, but not for longer than one job may take.
HEARTBEAT_FILE = Path(os.environ.get("HEARTBEAT_FILE", "/tmp/heartbeat"))
TASK_TIMEOUT = int(os.environ.get("TASK_TIMEOUT", "300"))
# Seconds after which the job of a worker that was killed is given back; those that live renew in time.
TASK_LEASE = float(os.environ.get("TASK_LEASE", "30"))
TASK_ATTEMPTS = int(os.environ.get("TASK_ATTEMPTS", "5"))
# Seconds between the signal to stop and the kill, as whoever runs the container has set them.
STOP_GRACE = float(os.environ.get("STOP_GRACE", "10"))

EMAIL_HOST = os.environ.get("MAIL_HOST", "mailcatcher")
EMAIL_PORT = int(os.environ.get("MAIL_PORT", "1025"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = "Campaigns <reports@example.com>"

STATIC_URL = "/static/"
STATIC_ROOT = GENERATED_CONTENT
REPORTS = GENERATED_CONTENT / "reports"

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    # Django's own handlers would say it twice, or by mail.
    "loggers": {"django": {"handlers": [], "level": "INFO"}},
}
