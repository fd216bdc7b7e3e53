"""What `aws` prints of a database in RDS and of a task in ECS, in its layout: four spaces, one document."""

from __future__ import annotations

import json
from typing import Any


def printed(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=4) + "\n"


def parameter(name: str, value: str | None, source: str = "engine-default", **facts: Any) -> dict[str, Any]:
    """One entry of `describe-db-parameters`; a parameter at the server's own default has no value."""
    return {
        "ParameterName": name,
        **({} if value is None else {"ParameterValue": value}),
        "Description": f'About {name}; see the server\'s "manual": it has no {"{"}place{"}"} here.',
        "Source": source,
        "ApplyType": "dynamic",
        "DataType": "string",
        "IsModifiable": source != "system",
        "ApplyMethod": "pending-reboot",
        **facts,
    }


def user(name: str, value: str) -> dict[str, Any]:
    return parameter(name, value, "user")


def system(name: str, value: str) -> dict[str, Any]:
    return parameter(name, value, "system")


OF_EVERY_VERSION = [
    parameter("activate_all_roles_on_login", "0", DataType="boolean", AllowedValues="0,1"),
    parameter("allow-suspicious-udfs", None, DataType="boolean", AllowedValues="0,1", ApplyType="static"),
    parameter("auto_increment_increment", None, AllowedValues="1-65535"),
    system("basedir", "/rdsdbbin/mysql"),
    system("binlog_cache_size", "32768"),
    system("datadir", "/rdsdbdata/db/"),
    user("character_set_server", "utf8mb4"),
    user("collation_server", "utf8mb4_unicode_ci"),
    system("innodb_buffer_pool_size", "{DBInstanceClassMemory*3/4}"),
    system("innodb_flush_log_at_trx_commit", "1"),
    user("innodb_lock_wait_timeout", "20"),
    user("long_query_time", "1.5"),
    user("max_allowed_packet", "67108864"),
    user("max_connections", "{DBInstanceClassMemory/12582880}"),
    user("require_secure_transport", "0"),
    user("slow_query_log", "1"),
    user("sql_mode", "NO_ENGINE_SUBSTITUTION,STRICT_TRANS_TABLES"),
    system("socket", "/tmp/mysql.sock"),
    user("time_zone", "Europe/Stockholm"),
]
PARAMETERS_8_0 = printed(
    {
        "Parameters": [
            *OF_EVERY_VERSION,
            system("default_authentication_plugin", "mysql_native_password"),
            user("expire_logs_days", "3"),
            system("innodb_log_file_size", "134217728"),
            system("log_slave_updates", "1"),
            user("slave_net_timeout", "60"),
            user("tx_isolation", "READ-COMMITTED"),
        ]
    }
)
PARAMETERS_8_4 = printed(
    {
        "Parameters": [
            *OF_EVERY_VERSION,
            parameter(
                "authentication_policy", None, AllowedValues="*:mysql_native_password,*:caching_sha2_password"
            ),
            user("binlog_expire_logs_seconds", "259200"),
            system("innodb_redo_log_capacity", "2147483648"),
            user("replica_net_timeout", "60"),
            user("transaction_isolation", "READ-COMMITTED"),
        ]
    }
)


def instance(version: str, port: int = 3306) -> str:
    """`describe-db-instances` of one instance."""
    return printed(
        {
            "DBInstances": [
                {
                    "DBInstanceIdentifier": "shop",
                    "DBInstanceClass": "db.m6g.large",
                    "Engine": "mysql",
                    "DBInstanceStatus": "available",
                    "MasterUsername": "admin",
                    "Endpoint": {
                        "Address": "shop.c1.eu-north-1.rds.amazonaws.com",
                        "Port": port,
                        "HostedZoneId": "Z1",
                    },
                    "AllocatedStorage": 100,
                    "DBParameterGroups": [
                        {"DBParameterGroupName": "shop", "ParameterApplyStatus": "in-sync"}
                    ],
                    "EngineVersion": version,
                    "PubliclyAccessible": False,
                }
            ]
        }
    )


VARIABLES = {
    "version": "8.4.6",
    "basedir": "/usr/",
    "binlog_cache_size": "32768",
    "binlog_expire_logs_seconds": "259200",
    "character_set_server": "utf8mb4",
    "collation_server": "utf8mb4_unicode_ci",
    "datadir": "/var/lib/mysql/",
    "innodb_buffer_pool_size": "134217728",
    "innodb_flush_log_at_trx_commit": "2",
    "innodb_lock_wait_timeout": "20",
    "innodb_redo_log_capacity": "67108864",
    "log_replica_updates": "ON",
    "long_query_time": "1.500000",
    "max_allowed_packet": "67108864",
    "max_connections": "151",
    "replica_net_timeout": "60",
    "require_secure_transport": "OFF",
    "slow_query_log": "ON",
    "sql_mode": "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION",
    "socket": "/var/run/mysqld/mysqld.sock",
    "system_time_zone": "UTC",
    "time_zone": "Europe/Stockholm",
    "transaction_isolation": "READ-COMMITTED",
}
"""What `SHOW GLOBAL VARIABLES` of an 8.4 here says, with all that production's parameter group sets."""

TASK = {
    "taskDefinition": {
        "family": "shop",
        "networkMode": "bridge",
        "volumes": [{"name": "generated"}, {"name": "logs", "host": {"sourcePath": "/var/log/shop"}}],
        "containerDefinitions": [
            {
                "name": "backend",
                "image": "qwaya/app-backend:latest",
                "cpu": 512,
                "memory": 512,
                "portMappings": [{"containerPort": 8000, "hostPort": 0, "protocol": "tcp"}],
                "environment": [{"name": "DB_HOST", "value": "database"}],
                "secrets": [{"name": "DB_PWD", "valueFrom": "arn:aws:ssm:eu-north-1:1:parameter/pwd"}],
                "environmentFiles": [{"value": "arn:aws:s3:::shop/backend.env", "type": "s3"}],
                "mountPoints": [
                    {"sourceVolume": "generated", "containerPath": "/opt/app/generated_content"},
                    {"sourceVolume": "logs", "containerPath": "/logs", "readOnly": True},
                ],
                "volumesFrom": [],
                "entryPoint": [],
                "command": [],
                "user": "10001",
                "readonlyRootFilesystem": True,
                "healthCheck": {
                    "command": ["CMD-SHELL", "curl -f http://localhost:8000/health || exit 1"],
                    "interval": 30,
                    "timeout": 5,
                    "retries": 3,
                },
                "dockerLabels": {"devenv.service": "backend"},
            },
            {
                "name": "frontend",
                "image": "qwaya/app-frontend:latest",
                "cpu": 0,
                "command": ["nginx"],
                "portMappings": [{"containerPort": 80, "hostPort": 80}],
                "links": ["backend"],
                "volumesFrom": [{"sourceContainer": "backend", "readOnly": True}],
            },
        ],
    }
}
