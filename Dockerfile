# The backend; the same image runs its worker with `python -m backend.jobs`. See compose.yaml.
FROM python:3.11-slim

# torch comes from where pip is configured to look. The build for Linux in the default place runs
# on a CPU as well as on an NVIDIA GPU (start the container with --gpus all), and is 3 GB larger
# than a build for the CPU only; where such builds are kept is said with
# `docker build --build-arg PIP_INDEX_URL=...` or PIP_EXTRA_INDEX_URL.
ARG TORCH=2.13.0
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

WORKDIR /app
COPY requirements.txt ./
RUN pip install torch==${TORCH} -c requirements.txt
RUN pip install --no-deps -r requirements.txt

COPY pyproject.toml README.md ./
COPY selection selection
COPY backend backend
RUN pip install --no-deps --no-build-isolation .

# Versions, caches, the queue, and models fetched from a hub: all that must outlive a container.
RUN useradd --create-home --uid 10001 crux && mkdir /data && chown crux /data
USER crux
WORKDIR /data
VOLUME /data
# MALLOC_ARENA_MAX: else every thread of the server keeps its own freed memory (2.0 GB, not 1.6)
ENV CRUX_HOME=/data HF_HOME=/data/hub PYTHONUNBUFFERED=1 MALLOC_ARENA_MAX=2

EXPOSE 9090
HEALTHCHECK --interval=15s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9090/health', timeout=2)"]
# One process, so that one loaded model serves annotators and the pool alike.
CMD ["gunicorn", "backend.app:create_app()", "--bind", "0.0.0.0:9090", "--worker-class", "gthread", \
     "--workers", "1", "--threads", "8", "--timeout", "120"]
