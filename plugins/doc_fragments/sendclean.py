# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation that all modules and the lookup share."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of the action group, of the bindings file, and the attributes."""

    DOCUMENTATION = r"""
options:
  owner_id:
    description:
      - The account's owner ID, as SendClean shows it. An integer is taken as it is written in decimal.
      - The environment variable E(SENDCLEAN_OWNER_ID) is used where the option is not given.
    type: str
    required: true
  token:
    description:
      - The account's API token.
      - The environment variable E(SENDCLEAN_TOKEN) is used where the option is not given.
    type: str
    required: true
  app_domain:
    description:
      - The account's app domain. Calls go to C(https://api.<app_domain>/v1.0).
      - The environment variable E(SENDCLEAN_APP_DOMAIN) is used where the option is not given.
    type: str
    default: sendclean.net
  api_url:
    description:
      - The whole base URL of the API, for a white-label host or a server on the same machine. It wins over O(app_domain).
      - C(http://) is refused for anything but a loopback address, since the token would travel in clear.
      - The environment variable E(SENDCLEAN_API_URL) is used where the option is not given.
    type: str
  validate_certs:
    description: Whether the server's TLS certificate is verified.
    type: bool
    default: true
  ca_path:
    description: A bundle, or a folder, of CA certificates to verify the server's certificate with.
    type: path
  timeout:
    description:
      - How long one request may take, its whole answer included, in seconds up to 1000000.
      - When the answer to a creation or a password reset is lost, this is also for how long, though at most 30 seconds, the
        account is listed again before the call counts as not carried out.
    type: float
    default: 30.0
  requests_per_minute:
    description:
      - How many requests a minute one task sends at most, so that it stays within the account's quota.
      - V(0) sends as fast as the server answers. At most 1000000.
    type: int
    default: 60
  retry_timeout:
    description: For how long one call is repeated, in seconds of waiting up to 1000000, while SendClean refuses it with HTTP 429.
    type: float
    default: 300.0
notes:
  - Null counts as not given, in every option. What is text must be text in YAML, so that a number, V(no) or a date needs quotes.
    Names, IDs, secrets, patterns and paths have no white space or invisible character at an end, and no control character.
requirements:
  - python >= 3.9 on the machine that runs the module
  - requests >= 2.27.0 there
  - psycopg >= 3.2 there, only for bindings in PostgreSQL
"""

    BINDINGS = r"""
options:
  bindings_path:
    description:
      - The bindings file, which records the C(smtp_user_name) of each alias. It holds no secret and belongs into version
        control, beside the inventory.
      - Its folder must exist, and must not serve as an inventory source, since Ansible would read the file as inventory.
      - A relative path starts from the module's working directory, that of M(sendclean.email.smtp_credentials) and of the lookup
        of that name from the playbook's folder. Give an absolute one, such as V({{ playbook_dir }}/bindings.json) or
        V({{ inventory_dir }}/../bindings.json).
      - The environment variable E(SENDCLEAN_BINDINGS_PATH) is used where the option is not given. Excludes O(bindings_url).
    type: path
  bindings_url:
    description:
      - The bindings in PostgreSQL instead of a file, for runs that share no disk, as C(postgresql://user@host:5432/database).
        All that is said of the bindings file holds for it.
      - It is read as libpq does, with parameters such as C(sslmode=verify-full). A password in it is refused. libpq finds one in
        E(PGPASSWORD), in the file that E(PGPASSFILE) names, or in a service file.
      - The table is C(sendclean_bindings), or another one with the further parameter C(sendclean_table). It is never made by the
        collection. Where it is missing, the failure has the statement that makes it as RV(ignore:create_table).
      - Needs C(psycopg) 3 on the machine that runs the module. PgBouncer must run in session mode.
      - The environment variable E(SENDCLEAN_BINDINGS_URL) is used where the option is not given. Excludes O(bindings_path).
    type: str
"""

    ATTRIBUTES = r"""
attributes:
  check_mode:
    description: Can run in check mode and say what would change without changing it.
  diff_mode:
    description: Returns what changes, or in check mode would change, when in diff mode.
  idempotent:
    description: A second run with the same options, and nothing else happening in between, changes nothing.
  action_group:
    description: Use C(group/sendclean.email.sendclean) in C(module_defaults) to set the account's options once for all modules.
    support: full
    membership:
      - sendclean.email.sendclean
"""
