#!/bin/sh
# tarball.sh ARCH OUT: the files of the packages below one folder, for machines with neither dpkg nor rpm. package.sh runs it, with its STAGE, BIN,
# VERSION and SOURCE_DATE_EPOCH.
set -eu
arch=$1
out=$2
name=nodeagent-$VERSION-linux-$arch
root=$STAGE/tar/$name
rm -rf "$STAGE/tar"

put() { # MODE FROM TO
	install -D -m "$1" "$2" "$root/$3"
}

put 0755 "$BIN/nodeagent" usr/bin/nodeagent
put 0755 "$BIN/nodeagent-check" usr/libexec/nodeagent/nodeagent-check
put 0640 packaging/config/config.yaml etc/nodeagent/config.yaml
put 0644 packaging/systemd/nodeagent.service usr/lib/systemd/system/nodeagent.service
put 0644 packaging/sysusers.d/nodeagent.conf usr/lib/sysusers.d/nodeagent.conf
put 0644 packaging/tmpfiles.d/nodeagent.conf usr/lib/tmpfiles.d/nodeagent.conf
put 0644 packaging/firewalld/nodeagent.xml usr/lib/firewalld/services/nodeagent.xml
put 0644 "$STAGE/completion/bash" usr/share/bash-completion/completions/nodeagent
put 0644 "$STAGE/completion/zsh" usr/share/zsh/site-functions/_nodeagent
put 0644 "$STAGE/completion/fish" usr/share/fish/vendor_completions.d/nodeagent.fish
put 0644 LICENSE usr/share/doc/nodeagent/LICENSE
put 0644 "$BIN/third-party-licenses.gz" usr/share/doc/nodeagent/third-party-licenses.gz
mkdir -p "$root/usr/share/man" "$root/usr/share/nodeagent"
cp -r "$STAGE"/share/. "$root/usr/share/nodeagent/"
cp -r "$STAGE"/gz/. "$root/usr/share/man/"
cp -r "$STAGE"/doc/. "$root/usr/share/doc/nodeagent/"
tar -C "$STAGE/tar" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
