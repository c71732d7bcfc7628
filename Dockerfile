# docker build --target cpu -t dancenow .         (or --target cuda, for NVIDIA GPUs)
# docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" -v dancenow:/data dancenow run SOURCE.mp4 TARGET.mp4 -o out.mp4 --consent self
#
# With --user the results in the current folder are yours. The volume /data, which any user of the container may write to, keeps the
# cache, the certificate that signs videos, and the consents.

FROM python:3.12-slim AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:3.12-slim AS base
COPY constraints.txt /wheel/
COPY --from=wheel /wheel/*.whl /wheel/
RUN useradd --no-create-home --home-dir /data dancer && mkdir /data /work && chmod 1777 /data /work
ENV HOME=/data DANCENOW_CACHE=/data/cache DANCENOW_HOME=/data/home PIP_CONSTRAINT=/wheel/constraints.txt PIP_NO_CACHE_DIR=1
WORKDIR /work

# The torch of the package index carries CUDA. Run with `--gpus all`.
FROM base AS cuda
RUN python -m pip install /wheel/*.whl
USER dancer
VOLUME /data
ENTRYPOINT ["dancenow"]

# The torch of this index has no CUDA; what torch needs comes from the package index, as the versions of the constraints need not
# be here. Where it cannot be reached: --build-arg TORCH_INDEX=URL of a mirror.
FROM base AS cpu
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python -m pip install --no-deps --index-url "$TORCH_INDEX" torch && python -m pip install /wheel/*.whl
USER dancer
VOLUME /data
ENTRYPOINT ["dancenow"]
