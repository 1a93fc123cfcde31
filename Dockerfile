# The image that charts/slacktide runs: a virtual environment with this repository's wheel.
# No test can build it (that needs a registry); tests/house/test_image.py builds the wheel from
# exactly what is copied here, and runs what the chart runs.

FROM python:3.13-slim AS wheel
WORKDIR /src
COPY requirements/dev.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/dev.txt
COPY pyproject.toml README.md LICENSE ./
COPY scripts/build_web.py scripts/
COPY slacktide slacktide
COPY predictor predictor
COPY scheduler scheduler
COPY qos_controller qos_controller
COPY federation federation
COPY admission admission
COPY simulator simulator
COPY dashboard dashboard
RUN python scripts/build_web.py && python -m hatchling build -t wheel -d /wheels

FROM python:3.13-slim AS installed
COPY requirements/run.txt requirements/
RUN python -m venv /app && /app/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY --from=wheel /wheels /wheels
RUN /app/bin/pip install --no-cache-dir --no-deps /wheels/*.whl

FROM python:3.13-slim
COPY --from=installed /app /app
ENV PATH=/app/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A number, so that Kubernetes can tell that it is not root.
USER 65532:65532
ENTRYPOINT ["slacktide"]
CMD ["--help"]
