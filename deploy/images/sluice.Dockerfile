# The orchestrator, for machines with a registry. The context is the root of the repository.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p sluice \
    && cp target/x86_64-unknown-linux-gnu/release/sluice /sluice \
    && mkdir -p /data

FROM scratch
COPY --from=build /sluice /sluice
# Whom TLS trusts: without this file no client of HTTP can be made, not even for plain HTTP.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# The user of the server in deploy/compose.yaml. A new volume takes its owner from here.
COPY --from=build --chown=10002:10002 /data /var/lib/sluice
# The launcher's socket; the launcher is the owner.
COPY --from=build /data /run/sluice
ENTRYPOINT ["/sluice"]
