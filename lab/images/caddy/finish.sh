mv /opt/caddy/bin/caddy /usr/bin/caddy
chmod 0755 /usr/bin/caddy
rm -r /opt/caddy
mkdir -p /config/caddy /data/caddy /srv
caddy version
