# SPDX-License-Identifier: GPL-2.0-or-later
#
# Both programs, and nothing else that could be run: no shell, no package manager. README.md says how
# to start it. Health checks are of Docker's image format: podman and buildah want --format docker.

FROM debian:bookworm-slim AS build
WORKDIR /src
# wolfSSL first: it stays in the builder's cache as long as these files are what they are.
COPY scripts/deps.sh scripts/lib.sh scripts/wolfssl-hello.patch scripts/
RUN scripts/deps.sh
COPY . .
RUN scripts/image-root.sh /image

FROM scratch
COPY --from=build /image /
ENV PATH=/usr/bin
# A number, so that an orchestrator sees that it is not root's. Files that are mounted for it have to
# be readable for it: chown 65532, or --user with the owner's number.
USER 65532:65532
EXPOSE 443/tcp 3478/tcp 3478/udp
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["sallyport-server", "healthcheck", "1"]
CMD ["sallyport-server"]
