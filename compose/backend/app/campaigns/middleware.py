from django.db import DatabaseError, InterfaceError
from django.http import HttpResponse


class DatabaseUnavailable:
    """Answers 503 and says why where the database is away, empty or older than the code."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, exception):
        if not isinstance(exception, DatabaseError | InterfaceError):
            return None
        reason = exception.args[-1] if exception.args else type(exception).__name__
        return HttpResponse(
            f"The database cannot answer: {reason}\n"
            "If a table or a column is missing: python manage.py migrate\n",
            status=503,
            content_type="text/plain; charset=utf-8",
            headers={"Retry-After": "2"},
        )
