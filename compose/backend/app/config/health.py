"""Says whether this process can do its work, for the load balancer and for Docker."""

from contextlib import closing

from django.db import connection
from django.http import HttpRequest, JsonResponse

PATIENCE = 2  # seconds; a probe that hangs tells nobody anything


def health(request: HttpRequest) -> JsonResponse:
    # A connection of its own: an old one proves nothing about new ones, and its timeouts are too long.
    parameters = connection.get_connection_params() | {
        "connect_timeout": PATIENCE,
        "read_timeout": PATIENCE,
    }
    try:
        with closing(connection.Database.connect(**parameters)) as database:
            database.query("SELECT 1")
            database.store_result()
    except connection.Database.Error as error:
        reason = f"database {parameters['host']}: {error.args[-1]}"
        return JsonResponse({"status": "unavailable", "reason": reason}, status=503)
    return JsonResponse({"status": "ok"})
