# `rung dev` in a container: the product on one machine, with its data in a volume.
#
#     docker build --tag rung .
#     docker run --publish 127.0.0.1:8080:8080 --volume rung:/home/nonroot/.rung rung
#
# The admin key is printed, or given as RUNG_ADMIN_KEY. A sidecar or `docker exec … rung webhooks list` needs no login.

FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin rung && cp target/release/rung /rung && mkdir -m 0700 /data

# No shell and no package manager; the user is `nonroot`, 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /rung /usr/local/bin/rung
COPY --from=build --chown=65532:65532 /data /home/nonroot/.rung
USER 65532:65532
WORKDIR /home/nonroot
VOLUME /home/nonroot/.rung
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/local/bin/rung", "health", "--server", "http://127.0.0.1:8080"]
# Rung ends cleanly on SIGTERM, within 15 s.
ENTRYPOINT ["/usr/local/bin/rung"]
CMD ["dev", "--addr", "0.0.0.0:8080"]
