# The image of the almanac command line, from the root of the repository:
#   docker build -f deploy/images/cli.Dockerfile -t almanac/cli:0.1.0 .
#   docker run --rm -e ALMANAC_URL -e ALMANAC_KEY -e ALMANAC_MIGRATE_FROM almanac/cli:0.1.0 migrate plan
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /app
COPY deploy/images/install.sh deploy/images/install.sh
COPY requirements/bootstrap.txt requirements/cli.txt requirements/
COPY libs/contracts/pyproject.toml libs/contracts/README.md libs/contracts/
COPY libs/contracts/src libs/contracts/src
COPY libs/client/pyproject.toml libs/client/README.md libs/client/
COPY libs/client/src libs/client/src
COPY libs/cli/pyproject.toml libs/cli/README.md libs/cli/
COPY libs/cli/src libs/cli/src
RUN sh deploy/images/install.sh cli && rm -r deploy requirements

FROM python:${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="almanac-cli" \
      org.opencontainers.image.description="Almanac's command line: moves an old system into it, and works with its APIs" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.vendor="Almanac"
RUN groupadd --system --gid 10001 almanac \
    && useradd --system --uid 10001 --gid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin almanac
COPY --from=build /app /app
ENV PATH=/app/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001:10001
ENTRYPOINT ["almanac"]
CMD ["--help"]
