"""`mailcatcher`: takes every mail the application sends and shows it on a web page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.model import PublishedPort, Question, Service
from devenv.services.probes import healthcheck, mail_probe

if TYPE_CHECKING:
    from devenv.config.settings import Settings
    from devenv.services.placement import Placement

NAME = "mailcatcher"
SMTP_PORT = 1025
WEB_PORT = 1080


def define(settings: Settings, placement: Placement) -> Service:
    """The mail catcher; its mail lives as long as its container."""
    mail = settings.mail
    return Service(
        name=NAME,
        image="mailcatcher",
        ports=(
            PublishedPort(placement.port("mail.port", mail.port), WEB_PORT, settings.bind, "http"),
            PublishedPort(placement.port("mail.smtp_port", mail.smtp_port), SMTP_PORT, settings.bind, "smtp"),
        ),
        healthcheck=healthcheck(
            mail_probe(SMTP_PORT, WEB_PORT),
            questions=(Question(SMTP_PORT, "smtp"), Question(WEB_PORT, "http")),
        ),
        init=True,
        stop_grace_period=2,
    )
