"""Data to measure on, made inside the server: a seed of a few lines that grows to any size. Pure."""

from __future__ import annotations

from dataclasses import dataclass

ROW_BYTES = 1000
"""What a row takes in its table's file, indexes included."""
MARK = "mark"
"""An empty table: a row in it shows that data are not fresh."""
CREATE = """\
CREATE TABLE {name} (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer_id INT UNSIGNED NOT NULL,
  state VARCHAR(20) NOT NULL,
  title VARCHAR(120) NOT NULL,
  amount DECIMAL(12, 2) NOT NULL,
  note TEXT NOT NULL,
  starts_on DATE NOT NULL,
  created_at DATETIME NOT NULL,
  KEY customer (customer_id, starts_on)
) DEFAULT CHARSET=utf8mb4;
"""
ROW = (
    "{id}, {id} * 7919 % 100003, ELT({id} % 4 + 1, 'new', 'running', 'paused', 'archived'), "
    "CONCAT('Campaign ', SHA2({id}, 224)), {id} % 100000 / 7, REPEAT(CONCAT(SHA2({id}, 256), ' '), 12), "
    "DATE '2020-01-01' + INTERVAL {id} % 2000 DAY, TIMESTAMP '2020-01-01 00:00:00' + INTERVAL {id} % 70000000 SECOND"
)


@dataclass(frozen=True)
class Dataset:
    """So many megabytes in so many equal tables."""

    megabytes: int
    tables: int

    @property
    def name(self) -> str:
        """What figures are listed under."""
        return f"{self.size} in {self.shape}"

    @property
    def shape(self) -> str:
        """The number of tables, for people."""
        return f"{self.tables} table{'s' if self.tables > 1 else ''}"

    @property
    def size(self) -> str:
        """The nominal size, for people."""
        return f"{self.megabytes / 1000:g} GB" if self.megabytes >= 1000 else f"{self.megabytes} MB"

    @property
    def slug(self) -> str:
        """The name as a part of an environment's."""
        return f"{self.megabytes}x{self.tables}"

    @property
    def table_names(self) -> tuple[str, ...]:
        """Every table with data."""
        return tuple(f"item_{number}" for number in range(1, self.tables + 1))

    @property
    def rows(self) -> int:
        """Rows of each table."""
        return max(1, self.megabytes * 1_000_000 // ROW_BYTES // self.tables)

    def sql(self, run: str) -> str:
        """The seed: one table by doubling, the others as its copies. `run` makes its snapshot this run's own."""
        first, *others = self.table_names
        statements = [f"-- {run}\n", account_sql(), f"CREATE TABLE {MARK} (id INT PRIMARY KEY);\n"]
        statements += [
            "SET unique_checks=0;\n",
            CREATE.format(name=first),
            f"INSERT INTO {first} SELECT {ROW.format(id=1)};\n",
        ]
        have = 1
        while have < self.rows:
            more = min(have, self.rows - have)
            row = ROW.format(id=f"(id + {have})")
            statements.append(f"INSERT INTO {first} SELECT {row} FROM {first} WHERE id <= {more};\n")
            have += more
        for name in others:
            statements += [CREATE.format(name=name), f"INSERT INTO {name} SELECT * FROM {first};\n"]
        return "".join(statements)


def account_sql() -> str:
    """The prober's account, which may do everything."""
    return "CREATE USER 'bench'@'%' IDENTIFIED BY '';\nGRANT ALL ON *.* TO 'bench'@'%';\n"
