# Copyright: (c) 2026, sendclean.email contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Sphinx makes the site out of a copy of the repository, in whose folder "reference" antsibull-docs has written."""

from __future__ import annotations

import re
from pathlib import Path
from posixpath import dirname, join, normpath

import yaml
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

GALAXY = yaml.safe_load((Path(__file__).parents[2] / "galaxy.yml").read_text(encoding="utf-8"))

project = f"{GALAXY['namespace']}.{GALAXY['name']}"
copyright = f"2026, {GALAXY['authors'][0]}"
release = GALAXY["version"]

extensions = ["myst_parser", "sphinx_antsibull_ext"]
include_patterns = ["*.rst", "[CS]*.md", "docs/*.md", "roles/**.md", "tests/**.md", "reference/*.rst"]
# What they list stands in README.md, and with the options.
exclude_patterns = ["reference/index.rst", "reference/environment_variables.rst"]
myst_heading_anchors = 3
# What stands in a document can be copied into a terminal.
smartquotes = False

html_theme = "furo"
html_title = f"{project} {release}"
html_theme_options: dict[str, list[str]] = {"top_of_page_buttons": []}
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_use_index = False
html_copy_source = False
# Those of site.css.
antsibull_ext_color_scheme = "none"

# Labels of ansible-core's documentation that antsibull-docs writes into the pages. Another one would be a warning.
CORE = "https://docs.ansible.com/projects/ansible/latest/"
CORE_LABELS = {
    "action_plugins": "plugins/action.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}


def link_to_core(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element) -> nodes.reference | None:
    """Resolve a label of ansible-core's documentation."""
    page = CORE_LABELS.get(node["reftarget"])
    return nodes.reference("", "", content, refuri=CORE + page) if page else None


def link_to_sources(app: Sphinx, doctree: nodes.document) -> None:
    """Let a link to a plugin's source lead to its page, and one to another file that is no page to the repository."""
    for node in list(doctree.findall(lambda node: isinstance(node, nodes.Element) and node.get("reftype") == "myst")):
        if node["refdomain"] == "doc":
            if node["reftarget"] == "README":
                node["reftarget"] = "index"
            continue
        path = normpath(join(dirname(node["refdoc"]), node["reftarget"]))
        source = Path(app.srcdir, path)
        plugin = re.fullmatch(r"plugins/(module|filter|lookup)s?/(\w+)\.py", path)
        if plugin:
            page = {"reftarget": f"reference/{plugin[2]}_{plugin[1]}", "reftargetid": None}
            node.replace_self(pending_xref("", *node.children, **{**node.attributes, "refdomain": "doc", **page}))
        elif source.exists():
            kind = "tree" if source.is_dir() else "blob"
            node.replace_self(nodes.reference("", "", *node.children, refuri=f"{GALAXY['repository']}/{kind}/main/{path}"))


def keep_contents(app: Sphinx, doctree: nodes.document) -> None:
    """Keep the list of contents of a page that has one: the theme takes it for a mistake, and says so on the page."""
    for topic in doctree.findall(nodes.topic):
        topic["classes"].append("this-will-duplicate-information-and-it-is-still-useful-here")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("missing-reference", link_to_core)
    # Before Sphinx takes links to files for downloads.
    app.connect("doctree-read", link_to_sources, priority=400)
    app.connect("doctree-read", keep_contents)
