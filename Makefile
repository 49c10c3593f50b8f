# Everything that can be done with fastloop, each in its own virtual environment under build/.
#
#   make test         build the wheel, install it, run the tests on it
#   make bench        build the wheel, install it, compare it with asyncio and uvloop
#   make conformance  run CPython's own asyncio tests on it
#   make suites       run the test suites of libraries on it
#   make compatibility  run a small program with each of many libraries, and write docs/compatibility.md
#   make lint         check style and format
#   make format       format Python and C
#   make typecheck    check the stub and the programs in tests/typing
#   make debug        the tests, built with assertions
#   make kqueue       the tests of poll, core and net on the kqueue backend
#   make reach ARCH=i386  the tests of poll and core on another architecture
#   make headers      compile against the headers of macOS and the BSDs, which must give no warning
#   make warnings     compile with gcc and clang, which must give no warning
#   make asan, tsan   the tests under the address or thread sanitizer
#   make ktls         tests of TLS in a virtual machine whose kernel encrypts
#   make annotate     what Cython makes of each line, as HTML
#   make docs         the site of docs/, in build/site
#   make figures      docs/figures.md and its plot, from benchmarks/results
#   make pictures     draw docs/pictures
#   make wheel, sdist make a wheel or source archive in dist/
#   make clean        delete everything that was built
#
# Variables: PYTHON=python3.x chooses the interpreter. ARGS="..." goes to pytest or to the benchmarks. RUN="..." is put before the Python
# that runs the wheel. The switches of setup.py (FASTLOOP_DEBUG=1 and so on) are taken from the environment.

PYTHON ?= python3
ARGS ?=
RUN ?=

export PIP_DISABLE_PIP_VERSION_CHECK = 1

ROOT := $(CURDIR)
TAG := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2] + sys.abiflags)' 2>/dev/null)
VENV = $(ROOT)/build/venv/$(TAG)
WHEELS = $(ROOT)/build/wheel/$(TAG)
# Tests start here. In the top folder, `import fastloop` in a child process could find the sources instead of the wheel.
ELSEWHERE = $(ROOT)/build/elsewhere

# From pyproject.toml.
BUILD_REQUIREMENTS = "setuptools>=77" "Cython>=3.1"

.PHONY: help prerequisites install test bench measure conformance suites compatibility debug reach kqueue headers warnings asan tsan ktls annotate wheel sdist lint format typecheck docs figures pictures clean

help:
	@sed -n '3,23s/^# *//p' Makefile

prerequisites:
	@command -v $(PYTHON) >/dev/null || { \
	  printf '%s\n' "$(PYTHON) was not found. Install it and a C compiler with" \
	    "  Debian, Ubuntu: apt install python3 python3-venv python3-dev gcc libc6-dev" "  Fedora:         dnf install python3-devel gcc" \
	    "  Alpine:         apk add python3-dev gcc musl-dev" "  macOS:          brew install python && xcode-select --install" >&2; exit 1; }
	@$(PYTHON) .ci/prerequisites.py

$(VENV)/bin/python: | prerequisites
	@echo "Making the virtual environment build/venv/$(TAG)"
	@$(PYTHON) -m venv $(VENV)

# Build the wheel, install it, and check that Python finds it and not the sources. Only if something has changed: the wheel's sources, or
# the switches of setup.py, which the file `installed` keeps. setuptools and Cython stay in the virtual environment, because pip would
# install them anew for each build, and Cython would take its own new files for a change. pip would hide how far the build is, so the backend is called without it.
INSTALLED = $(VENV)/installed
SWITCHES := $(strip $(foreach name,DEBUG FORCE_POLL FORCE_KQUEUE_EMULATION SANITIZE ANNOTATE,$(addprefix $(name)=,$(FASTLOOP_$(name)))))
ifneq ($(strip $(shell cat $(INSTALLED) 2>/dev/null)),$(SWITCHES))
.PHONY: $(INSTALLED)
endif

install: $(INSTALLED)

$(INSTALLED): $(shell find fastloop tests/poll/kqueue_emulation -name __pycache__ -prune -o -print) setup.py pyproject.toml README.md LICENSE $(VENV)/bin/python | prerequisites
	@echo "Building the wheel (a minute or two the first time)"
	@rm -rf $(WHEELS) $(INSTALLED) && mkdir -p $(ELSEWHERE)
	@$(VENV)/bin/python -m pip install --quiet $(BUILD_REQUIREMENTS)
	@FASTLOOP_PROGRESS=3 $(VENV)/bin/python -c 'from setuptools import build_meta; build_meta.build_wheel("$(WHEELS)")' \
	  3>&2 >$(VENV)/build.log 2>&1 || { cat $(VENV)/build.log >&2; exit 1; }
	@echo "Installing $$(cd $(WHEELS) && echo *.whl)"
	@$(VENV)/bin/python -m pip install --quiet --no-deps --force-reinstall $(WHEELS)/*.whl
	@cd $(ELSEWHERE) && $(RUN) $(VENV)/bin/python -c 'import fastloop, sys; \
	  fastloop.__file__.startswith(sys.prefix) or sys.exit("not the installed wheel: " + fastloop.__file__)'
	@echo "$(SWITCHES)" >$(INSTALLED)

# ARGS as the shell's arguments, with the paths in it (but for an option's value) absolute; all tests if it has none.
TEST_ARGUMENTS = \
  set -- $(ARGS); paths=; previous=; \
  for argument; do \
    shift; \
    case "$$previous $$argument" in -[kmpcoWrn]\ *|*\ -*) ;; \
      *) case "$$argument" in /*) paths=yes ;; *) [ ! -e "$(ROOT)/$${argument%%::*}" ] || { argument="$(ROOT)/$$argument"; paths=yes; } ;; esac ;; esac; \
    previous=$$argument; set -- "$$@" "$$argument"; \
  done; \
  [ -n "$$paths" ] || set -- "$$@" "$(ROOT)/tests"

# hypothesis only as a wheel: newer versions need Rust to build, and not every Python has wheels of them.
test: install
	@$(VENV)/bin/python -m pip install --quiet --only-binary hypothesis "$$(echo $(WHEELS)/*.whl)[test]"
	@$(VENV)/bin/python -m pip install --quiet --only-binary :all: "$$(echo $(WHEELS)/*.whl)[third-party]" 2>/dev/null || \
	  echo "not all third-party libraries have wheels for this Python: their tests are skipped"
	@$(TEST_ARGUMENTS); echo "pytest $$*"; cd $(ELSEWHERE) && $(RUN) $(VENV)/bin/pytest -c $(ROOT)/pyproject.toml --rootdir $(ROOT) "$$@"

# What measures nothing, such as --help or a mistyped name, is answered before anything is built.
bench: prerequisites
	@$(or $(wildcard $(VENV)/bin/python),$(PYTHON)) benchmarks/run.py check $(ARGS); status=$$?; \
	case $$status in 0) $(MAKE) --no-print-directory measure ;; 3) ;; *) exit $$status ;; esac

measure: install
	@$(VENV)/bin/python -m pip install --quiet "$$(echo $(WHEELS)/*.whl)[bench]"
	@$(VENV)/bin/python -m pip install --quiet uvloop || echo "uvloop could not be installed here: comparing without it"
	$(VENV)/bin/python -m benchmarks $(ARGS)

conformance: install
	cd $(ELSEWHERE) && $(VENV)/bin/python $(ROOT)/tests/conformance/run.py $(ARGS)
	[ -n "$(ARGS)" ] || { cd $(ELSEWHERE) && FASTLOOP_TLS_ENGINE=memorybio $(VENV)/bin/python $(ROOT)/tests/conformance/run.py ssl tls; }

# Downloaded once; several minutes for each library. ARGS="anyio websockets" chooses some.
suites: install
	$(VENV)/bin/python $(ROOT)/tests/third_party/suites/run.py --fastloop $(WHEELS)/*.whl --folder $(ROOT)/build/suites $(ARGS)

# ARGS="granian sanic" chooses some.
compatibility: install
	$(VENV)/bin/python $(ROOT)/tests/third_party/compatibility.py --fastloop $(WHEELS)/*.whl $(ARGS)

# As root on Debian or Ubuntu. ARCH is i386, arm64, s390x and so on; amd64 is Debian 12's own Python. A quarter of an hour, more under qemu.
reach: prerequisites $(VENV)/bin/python
	@$(VENV)/bin/python -m pip install --quiet $(BUILD_REQUIREMENTS)
	$(VENV)/bin/python .ci/reach.py $(ARCH) $(ARGS)

debug:
	FASTLOOP_DEBUG=1 $(MAKE) test

# On Linux: poll, core and net on the kqueue backend, over the emulation in tests/poll. With assertions, because that compiles faster.
kqueue:
	FASTLOOP_DEBUG=1 FASTLOOP_FORCE_KQUEUE_EMULATION=1 $(MAKE) test ARGS="$(or $(ARGS),--loop=fastloop tests/poll tests/core tests/net)"

# Nothing is linked or run. Pinned: a new clang may have new warnings. ARGS=--package also compiles the whole package for macOS.
headers: prerequisites $(VENV)/bin/python
	@$(VENV)/bin/python -m pip install --quiet $(BUILD_REQUIREMENTS) "ziglang==0.17.*"
	$(VENV)/bin/python .ci/compile_strictly.py systems $(ARGS)

warnings: prerequisites $(VENV)/bin/python
	@$(VENV)/bin/python -m pip install --quiet $(BUILD_REQUIREMENTS)
	$(VENV)/bin/python .ci/compile_strictly.py compilers

# On Linux. CC=clang chooses clang's sanitizer. Leaks are not checked: CPython itself keeps memory until the process ends. clang's own
# library is tried first, because clang finds gcc's too. A compiler that has no such library prints the bare name.
asan:
	library=$$(for name in libclang_rt.asan-$$(uname -m).so libclang_rt.asan.so libasan.so; do \
	  found=$$($(CC) -print-file-name=$$name); [ "$$found" = "$$name" ] || { echo "$$found"; break; }; done) && \
	FASTLOOP_SANITIZE=address $(MAKE) test RUN="env LD_PRELOAD=$$library ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc"

# TSAN_PYTHON is a free-threaded Python built with --disable-gil --with-thread-sanitizer. It is slow, so PYTHON, the plain free-threaded
# Python of the same version, compiles and installs. Without ARGS, runs tests/threads. Only the inner frames of reports are printed.
TSAN_PYTHON ?= $(PYTHON)-tsan
TSAN = $(ROOT)/build/tsan/$(TAG)

tsan: install
	@$(VENV)/bin/python -m pip install --quiet --only-binary hypothesis "$$(echo $(WHEELS)/*.whl)[test]"
	@rm -rf $(TSAN) && mkdir -p $(TSAN)
	FASTLOOP_SANITIZE=thread $(VENV)/bin/python -m pip wheel --quiet --no-deps --wheel-dir $(TSAN)/wheel $(ROOT)
	@$(VENV)/bin/python -m pip install --quiet --no-deps --target $(TSAN)/packages $(TSAN)/wheel/*.whl
	cd $(ELSEWHERE) && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$(TSAN)/packages:$$($(VENV)/bin/python -c 'import site; print(site.getsitepackages()[0])') \
	  TSAN_OPTIONS="suppressions=$(ROOT)/tests/threads/tsan_suppressions.txt log_path=$(TSAN)/report exitcode=66" \
	  $(TSAN_PYTHON) -m pytest -p no:cacheprovider -c $(ROOT)/pyproject.toml --rootdir $(ROOT) --loop fastloop $(or $(ARGS),$(ROOT)/tests/threads); \
	  status=$$?; sed '/^ *#[2-9][0-9] /d' $(TSAN)/report.* 2>/dev/null; exit $$status

# On Debian. As root the first time, and a quarter of an hour. The tests fail if the kernel has encrypted nothing.
KERNEL_TLS_TESTS = test_kernel_tls.py test_sendfile.py

ktls: install
	@$(VENV)/bin/python -m pip install --quiet --only-binary hypothesis "$$(echo $(WHEELS)/*.whl)[test]"
	cd $(ELSEWHERE) && PYTHONDONTWRITEBYTECODE=1 OPENSSL_CONF=$(ROOT)/tests/tls/kernel_tls.cnf bash $(ROOT)/.ci/kernel-tls $(ROOT)/build/kernel-tls \
	  bash -c "$(VENV)/bin/pytest -p no:cacheprovider -c $(ROOT)/pyproject.toml --rootdir $(ROOT) -k fastloop-direct \
	    $(or $(ARGS),$(addprefix $(ROOT)/tests/tls/,$(KERNEL_TLS_TESTS))) && grep 'TlsTxSw.*[1-9]' /proc/net/tls_stat"

annotate:
	FASTLOOP_ANNOTATE=1 $(MAKE) install
	@find build/annotate -name '*.html'

wheel: prerequisites $(VENV)/bin/python
	$(VENV)/bin/python -m pip wheel --no-deps --wheel-dir dist $(ROOT)

sdist: prerequisites $(VENV)/bin/python
	@$(VENV)/bin/python -m pip install --quiet build
	$(VENV)/bin/python -m build --sdist $(ROOT)

# Pinned: a new version of a formatter may format differently.
FORMATTERS = "ruff==0.17.*" "clang-format==22.*"
C_FILES = $$(find fastloop -name '*.h'; find benchmarks tests -name '*.[ch]')

# The workflows as well: their form, and what could be misused in them. Neither tool needs a network.
lint: prerequisites $(VENV)/bin/python
	@$(VENV)/bin/python -m pip install --quiet $(FORMATTERS) cython-lint check-jsonschema "zizmor==1.32.*"
	$(VENV)/bin/ruff check .
	PATH="$(VENV)/bin:$$PATH" cython-lint fastloop
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/clang-format --dry-run --Werror $(C_FILES)
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(VENV)/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(VENV)/bin/zizmor --quiet --offline --min-severity medium .github

format: prerequisites $(VENV)/bin/python
	@$(VENV)/bin/python -m pip install --quiet $(FORMATTERS)
	$(VENV)/bin/ruff format .
	$(VENV)/bin/clang-format -i $(C_FILES)

# The stub and the programs in tests/typing, for the oldest and the newest Python. Then the stub against the module.
typecheck: install
	@$(VENV)/bin/python -m pip install --quiet mypy "$$(echo $(WHEELS)/*.whl)[prometheus,opentelemetry]"
	cd $(ELSEWHERE) && for version in 3.11 3.15; do \
	  $(VENV)/bin/mypy --config-file $(ROOT)/pyproject.toml --python-version $$version $(ROOT)/tests/typing || exit 1; done
	cd $(ELSEWHERE) && $(VENV)/bin/stubtest --mypy-config-file $(ROOT)/pyproject.toml \
	  --allowlist $(ROOT)/tests/typing/stubtest_allowlist.txt fastloop

# A broken link, anchor or name fails it. In a virtual environment of its own, because it needs no wheel.
docs: prerequisites
	@[ -x build/venv/docs/bin/python ] || $(PYTHON) -m venv build/venv/docs
	@build/venv/docs/bin/python -m pip install --quiet $$(build/venv/docs/bin/python -c \
	  'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"])')
	NO_MKDOCS_2_WARNING=1 build/venv/docs/bin/mkdocs build --strict --config-file docs/site/mkdocs.yml

# Measures nothing. benchmarks/README.md says how the results are made.
figures: $(VENV)/bin/python
	@$(VENV)/bin/python -m pip install --quiet matplotlib
	$(VENV)/bin/python -m benchmarks publish

# The comment with graphviz's version is left out, so that only a changed picture is a change.
pictures:
	@command -v dot >/dev/null || { echo "dot was not found. Debian and Ubuntu: apt install graphviz. macOS: brew install graphviz." >&2; exit 1; }
	@for source in docs/pictures/*.dot; do svg=$${source%.dot}.svg; echo "$$svg"; \
	  dot -Tsvg "$$source" >"$$svg.new" && sed '/^<!-- Generated by/,/-->$$/d' "$$svg.new" >"$$svg" && rm "$$svg.new" || exit 1; done

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find fastloop tests benchmarks examples -name '*.so' -exec rm -f {} +
	find fastloop tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} +
