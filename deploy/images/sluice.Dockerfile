# The orchestrator, for machines with a registry. The context is the root of the repository.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p sluice \
    && cp target/x86_64-unknown-linux-gnu/release/sluice /sluice \
    && mkdir -p /data

FROM scratch
COPY --from=build /sluice /sluice
COPY --from=build /data /var/lib/sluice
ENTRYPOINT ["/sluice"]
