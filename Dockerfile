# The backend, its worker and the command `crux`, in one image; see compose.yaml and
# docs/deployment.md. Nothing is compiled: every package comes as a wheel.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS packages
# Where packages come from, if not from where pip looks by itself. TORCH_INDEX is asked for torch
# alone and besides: builds for the CPU only are kept in an index of their own, and are 3 GB smaller
# than the one for NVIDIA GPUs, which runs on a CPU as well and is what pip finds without.
ARG TORCH=2.13.0
ARG TORCH_INDEX
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_COMPILE=1 PATH=/opt/crux/bin:$PATH
RUN python -m venv /opt/crux
WORKDIR /app
# From what changes seldom to what changes often, so that a change of the code installs nothing.
COPY requirements.txt ./
RUN PIP_EXTRA_INDEX_URL=${TORCH_INDEX} pip install torch==${TORCH} -c requirements.txt
RUN pip install --no-deps -r requirements.txt

FROM packages AS code
COPY pyproject.toml README.md LICENSE ./
COPY selection selection
COPY backend backend
# In a folder of its own: else a change of the code would be a change of the layer of packages.
RUN pip install --no-deps --no-build-isolation . --target /opt/code

FROM python:${PYTHON}-slim
# Versions, caches, the queue, and models fetched from a hub: all that must outlive a container.
RUN useradd --no-create-home --uid 10001 crux && mkdir /data && chown crux:crux /data
COPY --from=packages /opt/crux /opt/crux
COPY --from=code /opt/code /opt/code
# PYTHONPYCACHEPREFIX: compiled once a volume, since the rest may be read-only.
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
