# The backend, its worker and the command `crux`, in one image; see compose.yaml and
# docs/deployment.md. Nothing is compiled: every package comes as a wheel.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS packages
# Indexes to install from, if not pip's default. TORCH_INDEX is an additional one for torch alone:
# builds for the CPU are in an index of their own, and 3 GB smaller than the default build, which is
# made for NVIDIA GPUs and runs on CPUs too.
ARG TORCH=2.13.0
ARG TORCH_INDEX
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_COMPILE=1 PATH=/opt/crux/bin:$PATH
RUN python -m venv /opt/crux
WORKDIR /app
# What changes seldom comes first, so that a change of the code installs no package again.
COPY requirements.txt ./
RUN PIP_EXTRA_INDEX_URL=${TORCH_INDEX} pip install torch==${TORCH} -c requirements.txt
RUN pip install --no-deps -r requirements.txt

FROM packages AS code
COPY pyproject.toml README.md LICENSE ./
COPY selection selection
COPY backend backend
# In a folder of its own: otherwise a change of the code would change the layer of packages.
RUN pip install --no-deps --no-build-isolation . --target /opt/code

FROM python:${PYTHON}-slim
# Versions, caches, the queue, and models from a hub: everything that must outlive a container.
RUN useradd --no-create-home --uid 10001 crux && mkdir /data && chown crux:crux /data
COPY --from=packages /opt/crux /opt/crux
COPY --from=code /opt/code /opt/code
# PYTHONPYCACHEPREFIX: compile once per volume, since the rest may be read-only.
# MALLOC_ARENA_MAX: otherwise every thread of the server keeps its own freed memory (2.0 GB, not 1.6).
# The other three of glibc's (32, 256 and 64 MiB) keep freed memory in the process: otherwise each
# batch gets it back from the system page by page.
ENV PATH=/opt/code/bin:/opt/crux/bin:$PATH PYTHONPATH=/opt/code PYTHONUNBUFFERED=1 \
    PYTHONPYCACHEPREFIX=/data/pycache HOME=/data CRUX_HOME=/data HF_HOME=/data/hub \
    MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=33554432 \
    MALLOC_TRIM_THRESHOLD_=268435456 MALLOC_TOP_PAD_=67108864
USER 10001:10001
WORKDIR /data
VOLUME /data

EXPOSE 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9090/health', timeout=2)"]
CMD ["gunicorn", "-c", "python:backend.server", "--bind", "0.0.0.0:9090"]
