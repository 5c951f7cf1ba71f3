# The cluster is made by the container's first start, and its logs are the container's.
mkdir -p /var/lib/postgresql/data
chown -R postgres:postgres /var/lib/postgresql
chmod 0700 /var/lib/postgresql/data
rm -f /docker-entrypoint-initdb.d/.gitkeep
# Debian's default is a cluster of its own, and sockets where the distribution's clusters look for them.
rm -rf /etc/postgresql /var/lib/postgresql/17
ln -sf /usr/lib/postgresql/17/bin/postgres /usr/local/bin/postgres
# The image's own setting: without it only the container itself gets in.
sed -ri "s!^#?(listen_addresses)\s*=.*!\1 = '*'!" /usr/share/postgresql/17/postgresql.conf.sample
