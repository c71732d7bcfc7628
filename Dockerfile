# docker build --target cpu -t dancenow .         (or --target cuda, for NVIDIA GPUs)
# docker run --rm -v "$PWD:/work" -v dancenow:/data dancenow run SOURCE.mp4 TARGET.mp4 -o out.mp4 --consent self
#
# The volume /data keeps the cache, the certificate that signs videos, and the consents.

FROM python:3.12-slim AS wheel
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:3.12-slim AS base
COPY constraints.txt /wheel/
COPY --from=wheel /wheel/*.whl /wheel/
RUN useradd --create-home dancer && mkdir /data /work && chown dancer /data /work
ENV DANCENOW_CACHE=/data/cache DANCENOW_HOME=/data/home PIP_CONSTRAINT=/wheel/constraints.txt PIP_NO_CACHE_DIR=1
WORKDIR /work

# The torch of the package index carries CUDA. Run with `--gpus all`.
FROM base AS cuda
RUN python -m pip install /wheel/*.whl
USER dancer
VOLUME /data
ENTRYPOINT ["dancenow"]

FROM base AS cpu
RUN python -m pip install --index-url https://download.pytorch.org/whl/cpu torch && python -m pip install /wheel/*.whl
USER dancer
VOLUME /data
ENTRYPOINT ["dancenow"]
