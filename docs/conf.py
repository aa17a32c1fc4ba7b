"""Configuration of the documentation site. `make docs` builds it with Sphinx.

The source folder is the repository, not `docs/`, so that a link such as `../benchmarks/tuning.md`
works on the site as it does on a code host.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "src"))

project = "Headstart"
author = "The Headstart authors"
copyright = "The Headstart authors. Apache-2.0"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_llms_txt",
]
root_doc = "docs/index"
include_patterns = ["docs/**.md", "docs/tutorials/*.ipynb", "benchmarks/*.md", "*.md"]
# Folders that Sphinx need not search.
exclude_patterns = [".*", "build", "constraints", "demo", "runs", "src", "tests"]
templates_path = ["_templates"]

myst_heading_anchors = 4  # a link to page.md#heading works as on a code host
myst_enable_extensions = ["attrs_inline"]
# The notebooks hold the output of real runs. `make notebooks` executes them, and the tests do.
nb_execution_mode = "off"

# The reference needs the signatures and docstrings, not the libraries that compute.
autodoc_mock_imports = [
    *("matplotlib", "optuna", "PIL", "safetensors", "scipy", "sklearn"),
    *("threadpoolctl", "timm", "torch", "yaml"),
]
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
add_module_names = False
# Docstrings name exceptions and types of other modules without their path. Links between pages are
# checked by MyST.
nitpick_ignore_regex = [("py:.*", ".*")]
default_role = "code"  # single backquotes in docstrings
toc_object_entries_show_parents = "hide"

# Two hyphens stay what they are: options are named in help texts. Quotes are curled.
smartquotes_action = "qe"
highlight_language = "none"  # blocks without a language are commands and their output
html_theme = "furo"
html_title = "Headstart"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_additional_pages = {"index": "to_start.html"}  # the first page is docs/index.html
html_show_sphinx = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"

llms_txt_title = "Headstart"
llms_txt_full_file = False
llms_txt_uri_template = "{base_url}{docname}.html"
llms_txt_summary = (
    "Headstart is a Python workbench for image classification. It compares a plain CNN with "
    "pretrained backbones on the same split, seeds and time budget, tests the difference, and "
    "hands over the best classifier, ready to use."
)
