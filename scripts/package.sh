#!/bin/sh
# Builds the packages of this tree:
#
#   VERSION=1.2.3 ARCHES="amd64 arm64" FORMATS="deb rpm tar.gz" OUT=dist scripts/package.sh
#
# All of these have defaults. The same tree and SOURCE_DATE_EPOCH (else the time of the commit) give the same bytes.
set -eu
umask 022
cd "$(dirname "$0")/.."

GO=${GO:-go}
VERSION=${VERSION:-$(scripts/version.sh)}
ARCHES=${ARCHES:-amd64 arm64}
FORMATS=${FORMATS:-deb rpm tar.gz}
OUT=${OUT:-dist}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y go.mod)}
LC_ALL=C
TZ=UTC
export VERSION SOURCE_DATE_EPOCH LC_ALL TZ

mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
STAGE=$(mktemp -d)
export STAGE
trap 'rm -rf "$STAGE"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

day=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%d)
ldflags="-s -w -X main.version=$VERSION"

# Pages and completions are asked of the command itself.
$GO run -tags pages -ldflags "$ldflags" ./cmd/nodeagent -out "$STAGE" -date "$day"
sed -e "s/@DATE@/$day/" -e "s/@VERSION@/$(echo "$VERSION" | sed 's/~/\\\\(ti/g')/" packaging/man/nodeagent-check.8 >"$STAGE/man/nodeagent-check.8"
for section in 1 5 8; do
	mkdir -p "$STAGE/gz/man$section"
	for page in "$STAGE"/man/*."$section"; do
		gzip -9nc "$page" >"$STAGE/gz/man$section/${page##*/}.gz"
	done
done

sed -e "s/@VERSION@/$VERSION-1/" -e "s/@DATE@/$(date -u -R -d "@$SOURCE_DATE_EPOCH")/" packaging/changelog | gzip -9n >"$STAGE/changelog.gz"

# Documents and examples, and what Prometheus and Grafana load. A folder that is not there is none.
mkdir -p "$STAGE/doc/examples" "$STAGE/share"
for page in README.md SECURITY.md docs/*.md; do
	if [ -e "$page" ]; then
		install -m 0644 "$page" "$STAGE/doc/"
	fi
done
for dir in examples/*; do
	cp -r "$dir" "$STAGE/doc/examples/"
done
if [ -d docs/runbooks ]; then
	cp -r docs/runbooks "$STAGE/doc/"
fi
for dir in packaging/systemd/profiles packaging/prometheus packaging/grafana; do
	if [ -d "$dir" ]; then
		cp -r "$dir" "$STAGE/share/"
	fi
done
# What makes and tests them is the repository's.
rm -rf "$STAGE/share/grafana/gen" "$STAGE"/share/prometheus/*.test.yml
chmod -R u=rwX,go=rX "$STAGE/doc" "$STAGE/share"

for arch in $ARCHES; do
	BIN=$STAGE/bin-$arch
	export BIN
	CGO_ENABLED=0 GOOS=linux GOARCH=$arch $GO build -trimpath -buildvcs=false -ldflags "$ldflags" -o "$BIN/" ./cmd/...
	$GO run ./packaging/sbom -licenses "$BIN/nodeagent" "$BIN/nodeagent-check" | gzip -9n >"$BIN/third-party-licenses.gz"
	# Side by side: most of it is compression, by one core each.
	jobs=
	for format in $FORMATS; do
		case $format in
		deb | rpm)
			GOARCH='' ARCH=$arch $GO tool -modfile=tools/nfpm/go.mod nfpm package --packager "$format" --target "$OUT/" >"$STAGE/nfpm-$format.log" 2>&1 &
			jobs="$jobs $format:$!"
			;;
		tar.gz) scripts/tarball.sh "$arch" "$OUT" ;;
		*)
			echo "package: no format $format: deb, rpm, tar.gz" >&2
			exit 2
			;;
		esac
	done
	for job in $jobs; do
		wait "${job#*:}" || {
			cat "$STAGE/nfpm-${job%:*}.log" >&2
			exit 1
		}
	done
	$GO run ./packaging/sbom -name nodeagent -version "$VERSION" -time "$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)" \
		"$BIN/nodeagent" "$BIN/nodeagent-check" >"$OUT/nodeagent_${VERSION}_$arch.cdx.json"
done

cd "$OUT"
# The sums of this version: files of others may lie here.
find . -maxdepth 1 -type f -name "nodeagent*$VERSION*" ! -name SHA256SUMS | sort | sed 's|^\./||' | xargs -d '\n' sha256sum >"$STAGE/sums"
mv "$STAGE/sums" SHA256SUMS
cat SHA256SUMS
