# syntax=docker/dockerfile:1.7
# Targets: gateway, worker-default, worker-sam3, worker-sam3d-objects, worker-sam3d-body.
# The last three are templates: see the note above them.

ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm
ARG CUDA_IMAGE=nvidia/cuda:12.1.1-runtime-ubuntu22.04
ARG CUDA_DEVEL_IMAGE=nvidia/cuda:12.1.1-devel-ubuntu22.04

# ---- the server's environment, from pinned packages ----
FROM ${PYTHON_IMAGE} AS environment
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
# pyproject.toml alone installs the dependencies and no code, so that this layer outlives changes of code
COPY constraints.txt pyproject.toml LICENSE ./
COPY clients/python/pyproject.toml clients/python/README.md clients/python/
RUN pip install -c constraints.txt "setuptools>=77" \
    && pip install -c constraints.txt --no-build-isolation ./clients/python ".[s3,postgres]"
COPY clients/python clients/python
COPY service service
COPY storage storage
COPY media media
COPY workers workers
RUN pip install --no-deps --no-build-isolation --force-reinstall ./clients/python .

# ---- what both default images share ----
FROM ${PYTHON_IMAGE} AS base
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/scratch \
    MAQUETTE_SCRATCH=/scratch/files
RUN install -d -o 10001 -g 10001 /scratch
COPY --from=environment /venv /venv
WORKDIR /app
COPY LICENSE NOTICE ./
USER 10001:10001

FROM base AS gateway
EXPOSE 8700
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8700/healthz', timeout=4)"]
CMD ["uvicorn", "--factory", "service.app:create_app", "--host", "0.0.0.0", "--port", "8700", \
     "--no-access-log", "--timeout-graceful-shutdown", "20"]

FROM base AS worker-default
COPY models /models
ENV MAQUETTE_MODELS_DIR=/models
HEALTHCHECK --interval=60s --timeout=20s --start-period=120s --retries=3 \
    CMD ["sh", "-c", "celery -A workers.main inspect ping --destination celery@$HOSTNAME --timeout 10"]
CMD ["celery", "-A", "workers.main", "worker", "--queues", "default", "--concurrency", "1", \
     "--pool", "prefork", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]

# ---- templates for GPU workers ----
# Each prepares the environment that its engine needs. None of these images has been built or run.
# The adapter of SAM 3D Objects comes later: until workers/engines/registry.py has it, its worker cannot
# load a suite. Weights are gated: mount them at /models, never copy them in.

FROM ${CUDA_DEVEL_IMAGE} AS gpu-environment
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 UV_NO_CACHE=1 UV_PYTHON_INSTALL_DIR=/opt/python
# the distribution's archive drops old versions: pinned ones would stop building
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates git python3-pip \
    && rm -rf /var/lib/apt/lists/* \
    && pip3 install "uv==0.9.5" \
    && uv python install 3.11.14 \
    && uv venv --python 3.11.14 --seed /venv
ENV PATH=/venv/bin:$PATH
WORKDIR /src
COPY constraints.txt pyproject.toml LICENSE ./
COPY clients/python clients/python
COPY service service
COPY storage storage
COPY media media
COPY workers workers
RUN pip install -c constraints.txt "setuptools>=77" \
    && pip install -c constraints.txt --no-build-isolation ./clients/python ".[s3,postgres]"

# SAM 3: torch >= 2.7 and transformers >= 5.18; torch's wheels bring their own CUDA libraries
FROM gpu-environment AS sam3-environment
RUN pip install -c constraints.txt --no-build-isolation ".[s3,postgres,sam3]" "torchvision>=0.22"

# SAM 3D Objects and Body: torch 2.5.1 for CUDA 12.1, which cannot share an environment with SAM 3.
# TORCH_INDEX_URL is the index of those wheels.
FROM gpu-environment AS torch-cu121
ARG TORCH_INDEX_URL
RUN pip install --index-url "${TORCH_INDEX_URL:?the index of the cu121 wheels}" \
    "torch==2.5.1" "torchvision==0.20.1"

# spconv, kaolin 0.17, pytorch3d, MoGe, flash-attn and gsplat at the commits the engine pins, built with nvcc
FROM torch-cu121 AS sam3d-objects-environment
ARG OBJECTS_REQUIREMENTS
RUN pip install --no-build-isolation -r "${OBJECTS_REQUIREMENTS:?file or URL of the requirements}"

FROM torch-cu121 AS sam3d-body-environment
ARG BODY_REQUIREMENTS
# body-models is for our side, which reads MHR without torch; upstream runs in a child process
RUN pip install --no-build-isolation -r "${BODY_REQUIREMENTS:?file or URL of the requirements}" \
    && pip install "body-models==0.26.0"

FROM ${CUDA_IMAGE} AS gpu-base
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/scratch \
    HF_HUB_OFFLINE=1 \
    MAQUETTE_SCRATCH=/scratch/files \
    MAQUETTE_MODELS_DIR=/models \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN install -d -o 10001 -g 10001 /scratch
COPY --from=gpu-environment /opt/python /opt/python
WORKDIR /app
COPY LICENSE NOTICE ./
USER 10001:10001
HEALTHCHECK --interval=60s --timeout=20s --start-period=600s --retries=3 \
    CMD ["sh", "-c", "celery -A workers.main inspect ping --destination celery@$HOSTNAME --timeout 10"]

FROM gpu-base AS worker-sam3
COPY --from=sam3-environment /venv /venv
ENV MAQUETTE_WORKER_QUEUE=sam3 MAQUETTE_WORKER_ENGINES=sam3
CMD ["celery", "-A", "workers.main", "worker", "--queues", "sam3", "--concurrency", "1", \
     "--pool", "prefork", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]

# this engine fetches DINOv2 and MoGe at load: they have to lie in /models beforehand
FROM gpu-base AS worker-sam3d-objects
COPY --from=sam3d-objects-environment /venv /venv
ENV MAQUETTE_WORKER_QUEUE=sam3d_objects MAQUETTE_WORKER_ENGINES=sam3d_objects
CMD ["celery", "-A", "workers.main", "worker", "--queues", "sam3d_objects", "--concurrency", "1", \
     "--pool", "prefork", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]

# upstream is no package: its checkout lies in /models, beside its weights and the MHR assets
FROM gpu-base AS worker-sam3d-body
COPY --from=sam3d-body-environment /venv /venv
ENV MAQUETTE_SAM3D_BODY_SOURCE=/models/sam-3d-body \
    MAQUETTE_SAM3D_BODY_CHECKPOINT=/models/sam-3d-body-dinov3/model.ckpt \
    MAQUETTE_MHR_ASSETS=/models/mhr \
    TORCH_HOME=/models/torch \
    MAQUETTE_WORKER_QUEUE=sam3d_body MAQUETTE_WORKER_ENGINES=sam3d_body
CMD ["celery", "-A", "workers.main", "worker", "--queues", "sam3d_body", "--concurrency", "1", \
     "--pool", "prefork", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]
