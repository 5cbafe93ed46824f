# Builds `earmark`, and copies it into an empty image. Works with BuildKit and with the classic builder, on every architecture.

ARG RUST_IMAGE=rust:1-bookworm

FROM ${RUST_IMAGE} AS build
WORKDIR /build
# How cargo optimizes. `.ci/run` does not wait for it.
ARG CARGO_PROFILE_OPTIMIZED_LTO=fat
ARG CARGO_PROFILE_OPTIMIZED_OPT_LEVEL=3
ARG CARGO_PROFILE_OPTIMIZED_CODEGEN_UNITS=1

# The dependencies. This layer needs the manifests only, so a change of our sources does not build it again. Cargo wants a file
# for each target that the manifests name, so empty files stand in for the sources. The clean removes what cargo has built
# from them: it may be newer than the real sources, which cargo would then take for unchanged.
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY .cargo .cargo
COPY crates/fuzz-targets/Cargo.toml crates/fuzz-targets/
COPY crates/private-postgres/Cargo.toml crates/private-postgres/
COPY crates/testkit/Cargo.toml crates/testkit/
RUN mkdir -p src bench/streams benches tests/testing_guide crates/fuzz-targets/src crates/private-postgres/src crates/testkit/src \
 && touch src/lib.rs bench/constant_rate.rs bench/delay.rs bench/streams/main.rs benches/wire.rs tests/testing_guide/main.rs \
 && touch crates/fuzz-targets/src/lib.rs crates/private-postgres/src/lib.rs crates/testkit/src/lib.rs \
 && echo 'fn main() {}' >src/main.rs \
 && cargo build --profile optimized --locked --package earmark --bin earmark \
 && cargo clean --profile optimized --locked --package earmark --package fuzz-targets --package private-postgres --package testkit

# The program. sqlx checks its queries against `.sqlx/`, so the build needs no database. Without `--package`, the program would
# have features of the dependencies that only other members of the workspace turn on.
COPY .sqlx .sqlx
COPY migrations migrations
COPY console/dist console/dist
COPY crates crates
COPY src src
COPY build.rs ./
# The commit that `earmark --version` and the first line of the log name.
ARG SOURCE_COMMIT=unknown
RUN cargo build --profile optimized --locked --package earmark --bin earmark

# The root of the final image: the program, its shared libraries (glibc's), certificates for TLS to the database, and the files
# with which glibc looks up hosts and users.
#
# Why not a static program: a static glibc loads libraries of its own version at run time to look up names. musl would need
# another allocator and another target. The loader and the libraries come from this image, so their versions match the
# program. glibc itself contains the modules `files` and `dns` of nsswitch.conf.
#
# With SOURCE_DATE_EPOCH, files are as old as the commit, so that the same sources and base image give the same layer.
ARG SOURCE_DATE_EPOCH=0
RUN mkdir -p /root-of-image/etc/ssl/certs /root-of-image/usr/local/bin \
 && cp target/optimized/earmark /root-of-image/usr/local/bin/ \
 && ldd target/optimized/earmark | grep -o '/[^ ]*' | xargs cp --parents --dereference --target-directory=/root-of-image \
 && cp /etc/ssl/certs/ca-certificates.crt /root-of-image/etc/ssl/certs/ \
 && echo 'hosts: files dns' >/root-of-image/etc/nsswitch.conf \
 && echo 'earmark:x:65532:65532::/:/nonexistent' >/root-of-image/etc/passwd \
 && echo 'earmark:x:65532:' >/root-of-image/etc/group \
 && find /root-of-image -exec touch --date="@$SOURCE_DATE_EPOCH" {} +

FROM scratch
LABEL org.opencontainers.image.title="earmark" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /root-of-image /
# IPv6 and IPv4.
ENV EARMARK_LISTEN=[::]:8080
EXPOSE 8080
# A number, so that Kubernetes can verify that this user is not root (runAsNonRoot).
USER 65532:65532
STOPSIGNAL SIGTERM
# Asks the admin listener, which by default answers inside the container only. For probes from outside, such as Kubernetes'
# httpGet, set EARMARK_ADMIN_LISTEN=[::]:8081.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 \
  CMD ["/usr/local/bin/earmark", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/earmark"]
CMD ["serve"]
