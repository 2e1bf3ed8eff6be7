# A static binary in an empty image: no shell, no package manager, not root.
#
#   docker build -t chancery --build-arg VERSION=$(git describe --tags --always) .
#   docker run --read-only -p 8080:8080 \
#     -v chancery:/var/lib/chancery -v ./chancery.yaml:/etc/chancery/chancery.yaml:ro \
#     -e CHANCERY_SERVER__LISTEN=0.0.0.0:8080 chancery
#
# The root file system may be read-only; /var/lib/chancery is the one place that is
# written (SQLite and the local keyring; with PostgreSQL the keyring alone). Publish
# the admin port 8081 only to the network of your administrators.
ARG BUILDER=docker.io/library/golang:1.26-bookworm
ARG FINAL=scratch

FROM ${BUILDER} AS build
ARG VERSION=unknown
WORKDIR /src
COPY go.mod go.sum ./
COPY sdk/go/go.mod sdk/go/go.sum sdk/go/
COPY sdk/go/verifier/mcpverifier/go.mod sdk/go/verifier/mcpverifier/go.sum sdk/go/verifier/mcpverifier/
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/usr/bin/chancery ./cmd/chancery
# What a scratch image lacks: CA certificates, a user, a folder it may write, a /tmp.
RUN mkdir -p /out/etc/ssl/certs /out/etc/chancery /out/var/lib /out/usr/share/licenses/chancery /state \
 && cp /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ \
 && echo 'nonroot:x:65532:65532:nonroot:/var/lib/chancery:/sbin/nologin' > /out/etc/passwd \
 && echo 'nonroot:x:65532:' > /out/etc/group \
 && cp LICENSE NOTICE /out/usr/share/licenses/chancery/ \
 && mkdir -m 1777 /out/tmp

FROM ${FINAL}
COPY --from=build /out /
COPY --from=build --chown=65532:65532 /state /var/lib/chancery
ENV CHANCERY_CONFIG=/etc/chancery/chancery.yaml
USER 65532:65532
WORKDIR /var/lib/chancery
EXPOSE 8080 8081
VOLUME /var/lib/chancery
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/chancery"]
CMD ["serve"]
