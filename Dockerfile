# Builds `earmark` and puts it alone into an empty image. Works with BuildKit and with the classic
# builder, on amd64 and on arm64: nothing here names an architecture.

ARG RUST_IMAGE=rust:1-bookworm

FROM ${RUST_IMAGE} AS build
WORKDIR /build

# The dependencies, compiled for an empty program: a layer that changes only when they do. The clean
# at the end removes what belongs to the empty program, which may be younger than the real sources.
# The manifest names the benchmark, so its file has to be there.
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY .cargo .cargo
COPY benches benches
COPY bench/*.rs bench/
COPY crates crates
RUN mkdir src && touch src/lib.rs && echo 'fn main() {}' >src/main.rs \
 && cargo build --release --locked --package earmark \
 && cargo clean --release --locked --package earmark \
 && rm -r src

# The program. Its queries are checked against `.sqlx/`, so no database is needed here.
COPY .sqlx .sqlx
COPY migrations migrations
COPY console/dist console/dist
COPY crates crates
COPY src src
COPY build.rs ./
RUN cargo build --release --locked --bin earmark

# The root of the final image: the program, the few shared libraries that it names (glibc's own),
# certificates for TLS to the database, and what turns a host name into an address and a number
# into a user.
#
# Why not one static file: a static glibc looks names up through libraries that it loads at run time
# and that must then be of its very version; musl would bring another allocator and another target.
# Copied from here, loader and libraries match by construction. glibc has `files` and `dns` built in.
#
# Files are as old as the commit, if it is told: the same sources on the same base image make the same layer.
ARG SOURCE_DATE_EPOCH=0
RUN mkdir -p /root-of-image/etc/ssl/certs /root-of-image/usr/local/bin \
 && cp target/release/earmark /root-of-image/usr/local/bin/ \
 && ldd target/release/earmark | grep -o '/[^ ]*' | xargs cp --parents --dereference --target-directory=/root-of-image \
 && cp /etc/ssl/certs/ca-certificates.crt /root-of-image/etc/ssl/certs/ \
 && echo 'hosts: files dns' >/root-of-image/etc/nsswitch.conf \
 && echo 'earmark:x:65532:65532::/:/nonexistent' >/root-of-image/etc/passwd \
 && echo 'earmark:x:65532:' >/root-of-image/etc/group \
 && find /root-of-image -exec touch --date="@$SOURCE_DATE_EPOCH" {} +

FROM scratch
LABEL org.opencontainers.image.title="earmark" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /root-of-image /
ENV EARMARK_LISTEN=0.0.0.0:8080
EXPOSE 8080
# As a number, so that a platform which forbids root can see that this is not root.
USER 65532:65532
STOPSIGNAL SIGTERM
# Asks the admin listener, which answers inside the container alone. Where probes come from outside (Kubernetes'
# httpGet), set EARMARK_ADMIN_LISTEN=0.0.0.0:8081.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
  CMD ["/usr/local/bin/earmark", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/earmark"]
CMD ["serve"]
