import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Peer, type PeerStart, UPSTREAM_CONNECTIONS } from './peer.ts'

const configuration = ({ folder, port, upstream, kind }: PeerStart): string => `
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 16384; }
http {
  access_log off;
  keepalive_timeout 620s;
  keepalive_requests 1000000000;
  tcp_nodelay on;
  client_max_body_size 0;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  map $http_x_request_id $kept_request_id {
    default $http_x_request_id;
    "" $request_id;
  }
  upstream app {
    server ${kind === 'tcp' ? `127.0.0.1:${upstream.port}` : `unix:${upstream.socketPath}`};
    keepalive ${UPSTREAM_CONNECTIONS};
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Request-ID $kept_request_id;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      add_header X-Request-ID $kept_request_id always;
      proxy_pass http://app;
    }
  }
}
`

export const nginx: Peer = {
  name: 'nginx',
  isJit: false,
  start: async (start) => {
    const { folder, children, cpus } = start
    const file = join(folder, 'nginx.conf')
    await writeFile(file, configuration(start))
    return children.start({
      name: 'nginx',
      cpus,
      command: 'nginx',
      args: ['-e', 'stderr', '-p', folder, '-c', file],
    })
  },
}
