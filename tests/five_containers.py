"""The five containers of the stack as production starts them, in two forms, and the same as recorded here.

Both forms say the same, so that every difference that is planted in one of them has its counterpart.
"""

from __future__ import annotations

from devenv.engine.observed import ObservedMount
from devenv.production.facts import DatabaseFacts, Facts, PortFact, ServiceFacts

GENERATED = "/opt/app/generated_content"
MIB = 2**20

UNITS: dict[str, str] = {
    "units/databasemaster.service": """\
[Unit]
Description=MySQL

[Service]
ExecStartPre=-/usr/bin/docker rm -f databasemaster
# systemd config
ExecStart=/usr/bin/docker run --name databasemaster \\
  -p 3306:3306 \\
  -e MYSQL_ROOT_PASSWORD=toor \\
  -v tmp/mysql/:/var/lib/mysql \\
  mysql:8.4 \\
  --sql-mode=STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION \\
  --character-set-server=utf8mb4 \\
  --collation-server=utf8mb4_swedish_ci \\
  --default-time-zone=+00:00 \\
  --transaction-isolation=READ-COMMITTED \\
  --max-allowed-packet=64M \\
  --wait-timeout=600
""",
    "units/mailcatcher.service": """\
[Service]
ExecStart=/usr/bin/docker run --name mailcatcher \\
  -p 1080:1080 \\
  schickling/mailcatcher:latest
""",
    "units/backend.service": """\
[Unit]
After=databasemaster.service
Requires=databasemaster.service

[Service]
ExecStart=/usr/bin/docker run --name backend \\
  -p 8000:8000 \\
  -e DB_HOST=database \\
  -e DB_USER=root \\
  -e "DB_PWD=s3cret of production" \\
  -e LANGUAGE=sv \\
  --link databasemaster:database \\
  --link mailcatcher:mailcatcher \\
  --user 10001 \\
  --memory 512m --cpus=1.5 \\
  --health-cmd 'curl -f http://localhost:8000/health' \\
  --read-only \\
  qwaya/app-backend:latest
""",
    "units/taskrunner@.service": """\
[Service]
ExecStart=/usr/bin/docker run --name taskrunner-%i \\
  -e DB_HOST=database \\
  -e DB_USER=root \\
  -e "DB_PWD=s3cret of production" \\
  -e PROCESS_NAME=task \\
  --link databasemaster:database \\
  --link mailcatcher:mailcatcher \\
  --memory 256m \\
  -v reports:/opt/app/reports:ro \\
  qwaya/backend:latest \\
  python manage.py db_worker
""",
    "units/workers.target": """\
[Unit]
Wants=taskrunner@1.service taskrunner@2.service
""",
    "units/frontend.service": """\
[Service]
ExecStart=/usr/bin/docker run --name frontend \\
  --link backend:backend \\
  --volumes-from backend \\
  -p 80:80 \\
  qwaya/app-frontend:latest
""",
}

COMPOSE: dict[str, str] = {
    "production.yaml": """\
databasemaster:
  image: mysql:8.4
  ports:
    - "3306:3306"
  environment:
    MYSQL_ROOT_PASSWORD: toor
  volumes:
    - tmp/mysql/:/var/lib/mysql
  command:
    - --sql-mode=STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION
    - --character-set-server=utf8mb4
    - --collation-server=utf8mb4_swedish_ci
    - --default-time-zone=+00:00
    - --transaction-isolation=READ-COMMITTED
    - --max-allowed-packet=64M
    - --wait-timeout=600

mailcatcher:
  image: schickling/mailcatcher:latest
  ports:
    - "1080:1080"

backend:
  image: qwaya/app-backend:latest
  ports:
    - "8000:8000"
  environment:
    - DB_HOST=database
    - DB_USER=root
    - DB_PWD=s3cret of production
    - LANGUAGE=sv
  links:
    - databasemaster:database
    - mailcatcher:mailcatcher
  user: "10001"
  mem_limit: 512m
  cpus: 1.5
  healthcheck:
    test: curl -f http://localhost:8000/health
  read_only: true

taskrunner:
  image: qwaya/backend:latest
  environment:
    - DB_HOST=database
    - DB_USER=root
    - DB_PWD=s3cret of production
    - PROCESS_NAME=task
  links:
    - databasemaster:database
    - mailcatcher:mailcatcher
  mem_limit: 256m
  volumes:
    - reports:/opt/app/reports:ro
  scale: 2
  command: python manage.py db_worker

frontend:
  image: qwaya/app-frontend:latest
  ports:
    - "80:80"
  links:
    - backend:backend
  volumes_from:
    - backend
""",
}

_GENERATED = ObservedMount(GENERATED, "volume", "qwaya_generated")
_APPLICATION = {"DB_HOST": "database", "DB_USER": "root", "DB_PWD": "toor", "DEBUG": "1"}
_NEEDS = ("databasemaster", "mailcatcher")
_VOLUMES = frozenset({GENERATED})


def _port(target: int, published: int | None = None) -> PortFact:
    return PortFact(target, published or target, "127.0.0.1", wanted=published or target)


FACTS = Facts(
    services=(
        ServiceFacts(
            "databasemaster",
            "mysql:8.4",
            wanted="mysql:8.4",
            entrypoint=("sh", "-c", "exec mysqld", "mysqld"),
            command=("--skip-log-bin",),
            environment={"MYSQL_ROOT_PASSWORD": "toor", "MYSQL_DATABASE": "app"},
            mounts=(ObservedMount("/var/lib/mysql", "volume", "qwaya_database_1"),),
            own_volumes=frozenset({"/var/lib/mysql"}),
            ports=(_port(3306),),
            names=frozenset({"databasemaster", "database"}),
            health_test=("CMD-SHELL", "mysql -NBe 'SELECT id FROM devenv.marker'"),
        ),
        ServiceFacts(
            "mailcatcher",
            "schickling/mailcatcher:latest",
            wanted="schickling/mailcatcher:latest",
            ports=(_port(1080), _port(1025)),
            names=frozenset({"mailcatcher"}),
        ),
        ServiceFacts(
            "backend",
            "qwaya/app-backend:latest",
            wanted="qwaya/app-backend:latest",
            own_entrypoint=("entrypoint",),
            user="10001",
            environment={**_APPLICATION, "LANGUAGE": "sv"},
            own_environment={"PYTHONUNBUFFERED": "1"},
            mounts=(_GENERATED,),
            own_volumes=_VOLUMES,
            ports=(_port(8000),),
            names=frozenset({"backend"}),
            needs=_NEEDS,
            memory=512 * MIB,
            cpus=1.5,
            health_test=("CMD-SHELL", "curl -sS --fail http://127.0.0.1:8000/health"),
            read_only=True,
        ),
        ServiceFacts(
            "taskrunner",
            "qwaya/backend:latest",
            wanted="qwaya/backend:latest",
            replicas=2,
            command=("python", "manage.py", "db_worker"),
            environment={**_APPLICATION, "PROCESS_NAME": "task"},
            mounts=(_GENERATED, ObservedMount("/opt/app/reports", "volume", "qwaya_reports", read_only=True)),
            own_volumes=_VOLUMES,
            names=frozenset({"taskrunner"}),
            needs=_NEEDS,
            memory=256 * MIB,
        ),
        ServiceFacts(
            "frontend",
            "qwaya/app-frontend:latest",
            wanted="qwaya/app-frontend:latest",
            own_command=("nginx",),
            mounts=(ObservedMount(GENERATED, "volume", "qwaya_generated", read_only=True),),
            ports=(_port(80),),
            names=frozenset({"frontend"}),
            needs=("backend",),
        ),
    ),
    database=DatabaseFacts(
        version="8.4.6",
        variables={
            "sql_mode": "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION",
            "character_set_server": "utf8mb4",
            "collation_server": "utf8mb4_swedish_ci",
            "time_zone": "SYSTEM",
            "system_time_zone": "UTC",
            "transaction_isolation": "READ-COMMITTED",
            "max_allowed_packet": "67108864",
            "wait_timeout": "600",
            "innodb_flush_log_at_trx_commit": "2",
            "max_connections": "151",
        },
        chosen={"collation_server": "utf8mb4_swedish_ci", "wait_timeout": "600"},
    ),
)
"""As `devenv up` makes it of a devenv.yaml that says what production says."""
