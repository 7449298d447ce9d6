#!/usr/bin/python
# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of the action of the same name, which does the work on the control node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: smtp_credentials
short_description: Keep an encrypted vars file in step with the credentials of a SendClean account
version_added: 1.0.0
author:
  - sendclean.email contributors (@sendclean-email)
description:
  - Writes the names and passwords of SMTP users, as the account shows them, into a vars file that is encrypted with Ansible's
    vault, and rewrites it only when a password or name is new, a user is new or gone, or O(vault_id) is another one.
  - It encrypts with the vault secrets that the run was started with, by C(--vault-id), C(--vault-password-file),
    C(--ask-vault-pass), C(ANSIBLE_VAULT_PASSWORD_FILE) or what AWX injects. Without one it fails before any call. Plain text
    is never written.
  - What else is in the file is kept as it stands, comments included. A file that is not encrypted, that the run's secrets do
    not decrypt, or in which O(variable) is something else, is refused and left as it is.
  - Runs on the control node, whatever host the task is for. O(dest), O(bindings_path) and O(ca_path) lie there, and a
    relative path starts from the playbook's folder.
extends_documentation_fragment:
  - sendclean.email.sendclean
  - sendclean.email.sendclean.bindings
  - sendclean.email.sendclean.attributes
attributes:
  check_mode:
    support: full
    details:
      - An alias that has no user yet is no error here, since a task before this one may create or adopt its user in the real run.
        It is in RV(unknown), and a warning names it.
      - So does a folder of O(dest) that does not exist yet get a warning.
  diff_mode:
    support: full
    details: Says which users are new, changed or gone. No password is shown.
  idempotent:
    support: full
options:
  dest:
    description:
      - The vars file on the control node. It is made with mode V(0600) where it does not exist. Mode and owner of a file that
        exists are kept. A symbolic link is written through.
      - Its folder must exist. It is locked with a file of the same name and C(.lock), which is empty and may stay. Where there
        is nothing to write, the folder may be read-only.
    type: path
    required: true
  variable:
    description:
      - The name of the variable in the file. It is a mapping from a user's alias, or its C(smtp_user_name) where it has no alias,
        to C(smtp_user_name) and C(smtp_password).
      - Several tasks may keep a variable each in one file.
    type: str
    default: smtp_credentials
  aliases:
    description:
      - Store the users with these aliases, and those of O(smtp_user_names). Needs O(bindings_path) or O(bindings_url).
      - Where neither is given, all users are stored that have an alias. Then O(bindings_path) is required.
      - A user that is asked for, or has an alias, and is not in the account is an error, and so is a list that names nobody.
        Then nothing is written.
      - A user that is not asked for is taken out of O(variable). One that is there by an alias, is enabled in the account and has
        no alias in the bindings file is refused instead, unless it was acknowledged. The bindings file is an old one then, or
        another account's, and O(dest) is the last that knows who that is.
    type: list
    elements: str
  smtp_user_names:
    description: Store the users with these names, and those of O(aliases).
    type: list
    elements: str
  answered_passwords:
    description:
      - Passwords that M(sendclean.email.smtp_password_reset) has returned in this run, by C(smtp_user_name).
      - The account may show the password of before for some time. What is stored is then the one that is given here; the
        account wins when it shows a third one, that of a later reset.
      - Users that are not stored are passed over.
    type: dict
  vault_id:
    description:
      - The vault ID to encrypt with. A file that is encrypted with another one is rewritten.
      - Where it is not given, a file stays encrypted as it is. A new one is encrypted with the ID that
        C(ANSIBLE_VAULT_ENCRYPT_IDENTITY) names, else with the first of the run.
    type: str
seealso:
  - module: sendclean.email.smtp_password_reset
  - module: sendclean.email.smtp_users
notes:
  - A user that is disabled is stored, too.
  - A user whose password the account does not show is an error where it is asked for, and where there is no other. Where all
    with an alias are stored, the others are, the one that is in the file stays, and a warning and RV(unknown) name the user.
  - A password that the bindings file knows to be younger than 10 seconds may not be listed yet. The account is listed again
    until that time is over, unless what it shows is known to be the newest.
  - Comments inside of O(variable) are lost when it is rewritten.
"""

EXAMPLES = r"""
- name: Keep the credentials of all users that have an alias
  sendclean.email.smtp_credentials:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    bindings_path: "{{ playbook_dir }}/bindings.json"
    dest: "{{ playbook_dir }}/smtp_credentials.yml"

- name: Keep those of one user, in a variable of its own
  sendclean.email.smtp_credentials:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    bindings_path: "{{ playbook_dir }}/bindings.json"
    dest: "{{ playbook_dir }}/smtp_credentials.yml"
    variable: billing_credentials
    aliases:
      - billing

- name: Replace passwords every 90 days
  sendclean.email.smtp_password_reset:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    bindings_path: "{{ playbook_dir }}/bindings.json"
    alias: "{{ item }}"
    max_age_days: 90
  loop:
    - billing
  no_log: true
  register: resets

- name: Keep them, also those that the account does not show yet
  sendclean.email.smtp_credentials:
    owner_id: "{{ sendclean_owner_id }}"
    token: "{{ sendclean_token }}"
    bindings_path: "{{ playbook_dir }}/bindings.json"
    dest: "{{ playbook_dir }}/smtp_credentials.yml"
    answered_passwords: >-
      {{ resets.results | selectattr('smtp_password', 'defined') | items2dict('smtp_user_name', 'smtp_password') }}
"""

RETURN = r"""
dest:
  description: The file, as an absolute path.
  returned: success
  type: str
  sample: /srv/mail/smtp_credentials.yml
variable:
  description: The name of the variable in the file.
  returned: success
  type: str
  sample: smtp_credentials
added:
  description: The users that were not in the file, each by its alias, or by its C(smtp_user_name) where it has none.
  returned: success
  type: list
  elements: str
  sample: [shop]
updated:
  description: The users whose password or C(smtp_user_name) is another one than in the file. Whatever uses it must be redeployed.
  returned: success
  type: list
  elements: str
  sample: [billing]
removed:
  description: The users that are in the file no more.
  returned: success
  type: list
  elements: str
  sample: []
unknown:
  description:
    - The users whose password the account does not show. What is in the file of them stays.
    - In check mode also the aliases that have no user yet.
  returned: success
  type: list
  elements: str
  sample: []
password_age_days:
  description: How old the password of each user is, in days. Null where the bindings file does not know.
  returned: success
  type: dict
  sample: {billing: 12.5, shop: null}
error:
  description: The API call that failed, as in M(sendclean.email.smtp_user).
  returned: failure of a call
  type: dict
  sample:
    call: listSmtp
    name: AuthenticationError
    code: -1
    message: Token MissMatch
    http_status: 200
"""
