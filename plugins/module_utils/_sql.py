# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said to PostgreSQL. ``{table}`` is the table's quoted name; each statement is a transaction of its own."""

from __future__ import annotations

# What the documentation shows: the one statement that makes the table.
CREATE_TABLE = (
    "create table {table} (base_url text not null, owner_id text not null, version bigint not null, document json not null,"
    " written_by text not null, written_at timestamptz not null default now(), primary key (base_url, owner_id, version));"
)

# Settings by name from a JSON object, but for those that an older server does not have. What is said to be durable has to be.
SET = (
    "select set_config(name, value, false) from json_each_text(%(settings)s::json) as wanted(name, value)"
    " join pg_settings using (name)"
    " union all select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'"
)
# The table's name as the server has it, so that each spelling of it has the same locks.
FULL_NAME = (
    "select format('%%I.%%I', nspname, relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
    " where c.oid = to_regclass(%(table)s)"
)
MAY_WRITE = (
    "select has_table_privilege(c.oid, 'insert') and has_table_privilege(c.oid, 'delete')"
    " from pg_class c where c.oid = to_regclass(%(table)s)"
)

_OF_ACCOUNT = "base_url = %(base_url)s and owner_id = %(owner_id)s"
# A row of nobody's account says that all has moved elsewhere: it comes first.
READ = (
    "select version, document::text, extract(epoch from clock_timestamp() - written_at)::float8,"
    " array(select distinct base_url from {table}"
    " where owner_id = %(owner_id)s and base_url <> %(base_url)s and base_url <> '')"
    f" from (select 1) as always left join (select * from {{table}} where {_OF_ACCOUNT} or (base_url = '' and owner_id = '')"
    " order by base_url = '' desc, version desc limit 1) as newest on true"
)
NEWEST = f"(select coalesce(max(version), 0) from {{table}} where {_OF_ACCOUNT})"

# Locks of 64 bits, as PostgreSQL shows them, in this database.
_LOCKS = (
    "from pg_locks {others} where locktype = 'advisory' and granted and objsubid = 1"
    " and (classid::bigint << 32 | objid::bigint) in ({keys})"
    " and database = (select oid from pg_database where datname = current_database())"
)
_MINE = "exists (select " + _LOCKS.format(others="", keys="%(key)s") + " and pid = pg_backend_pid() and mode = 'ExclusiveLock')"
# That this session has the lock, and is this run's: where connections are pooled by the transaction, others use it, too.
PROVEN = f"({_MINE} and current_setting('sendclean.session', true) = %(session)s)"
PROVE = f"select {PROVEN}"
# Null where this session has it already, which is another's then. Without the second lock nobody moves the bindings away.
TAKE = (
    f"select case when {_MINE} then null else pg_try_advisory_lock_shared(%(moving)s) and pg_try_advisory_lock(%(key)s) end,"
    f" {NEWEST}"
)
SIGN = "select set_config('sendclean.session', %(session)s, false), set_config('application_name', %(name)s, false)"
HOLDER = (
    "select coalesce(application_name, '?'), pid, backend_start::text "
    + _LOCKS.format(others="left join pg_stat_activity using (pid)", keys="%(key)s, %(moving)s")
    + " and pid <> pg_backend_pid() order by mode limit 1"
)
BUSY = "select exists (select " + _LOCKS.format(others="", keys="%(key)s") + " and pid <> pg_backend_pid())"

# Writes the next version if this session has the lock and nobody has written since; keeps the last ones.
WRITE = (
    "with written as (insert into {table} (base_url, owner_id, version, document, written_by)"
    " select %(base_url)s, %(owner_id)s, %(version)s + 1, %(document)s::json, %(written_by)s"
    f" where {PROVEN} and {NEWEST} = %(version)s returning version),"
    f" pruned as (delete from {{table}} where {_OF_ACCOUNT}"
    " and version <= %(version)s + 1 - %(kept)s and exists (select from written))"
    " select version from written"
)

# For a move: the newest documents of all accounts, and that nobody's row goes.
ALL = (
    "select distinct on (base_url, owner_id) base_url, owner_id, version, document::text from {table} where base_url <> ''"
    " order by base_url, owner_id, version desc"
)
REOPEN = f"delete from {{table}} where base_url = '' and {PROVEN} returning version"
