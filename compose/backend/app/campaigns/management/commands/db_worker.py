"""The task runner: takes the place of django-tasks-db's command of the same name, with the same options."""

from django.conf import settings
from django_tasks_db.management.commands import db_worker

from campaigns.reload import Code
from campaigns.worker import Worker, beat


class Command(db_worker.Command):
    # As for the web process: they are for whoever changes the code, and load all of its views.
    requires_system_checks = ()

    def add_arguments(self, parser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(interval=0.5, reload=settings.RELOAD)

    def handle(self, *, verbosity, queue_name, exclude_queues, **options) -> None:
        self.configure_logging(verbosity)
        queues = queue_name.split(",")
        worker = Worker(
            worker_id=options["worker_id"],
            backend=options["backend_name"],
            queues=None if "*" in queues else queues,
            excluded=exclude_queues.split(",") if exclude_queues else [],
            interval=options["interval"],
            batch=options["batch"],
            max_tasks=options["max_tasks"],
            code=Code() if options["reload"] else None,
        )
        beat()
        worker.run()
