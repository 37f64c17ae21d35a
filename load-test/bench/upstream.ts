import { mkdir, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join } from 'node:path'
import { freePort } from '../../deploy/local/ports.ts'
import type { Children } from './children.ts'
import { KIBIBYTE, MEBIBYTE, PATHS, UPLOAD_BYTES } from './request.ts'
import { answers } from './try-request.ts'

/** Where the upstream listens: the same server at both. */
export interface Upstream {
  readonly pid: number
  readonly port: number
  readonly socketPath: string
}

const START_TIMEOUT_MS = 10_000

/** 200 bytes. */
const SMALL_BODY = JSON.stringify({
  id: '0192f0c1-7a3e-7cc4-9d1f-3f6a5b2c8e10',
  title: 'Folding boat, two seats, with paddles and a bag',
  category: 'boats',
  priceCents: 42_000,
  city: 'Turku',
  createdAt: '2026-03-01T10:15:30.000Z',
}).padEnd(200)

/**
 * One NGINX worker. An upload is answered only after its body has been read whole, since NGINX buffers it before it
 * passes the request, without the body, to itself.
 */
const configuration = (folder: string, port: number): string => `
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 16384; }
http {
  access_log off;
  keepalive_timeout 620s;
  keepalive_requests 1000000000;
  tcp_nodelay on;
  sendfile on;
  open_file_cache max=10 inactive=1h;
  client_body_buffer_size 128k;
  client_max_body_size 1m;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  upstream itself { server unix:${folder}/app.sock; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    listen unix:${folder}/app.sock backlog=4096;
    default_type application/json;
    location /small {
      add_header Cache-Control "public, max-age=60";
      add_header ETag '"5f2c-61a0"';
      add_header Vary Accept-Encoding;
      add_header X-Content-Type-Options nosniff;
      return 200 '${SMALL_BODY}';
    }
    location /files/ { root ${folder}; default_type application/octet-stream; }
    location = ${PATHS.upload} {
      add_header X-Bytes-Read $request_length;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Content-Length "";
      proxy_pass_request_body off;
      proxy_pass_request_headers off;
      proxy_method GET;
      proxy_pass http://itself/small;
    }
    location = ${PATHS.echo} {
      return 200 '{"connection":"$connection","requestId":"$http_x_request_id","forwardedFor":"$http_x_forwarded_for","forwardedHost":"$http_x_forwarded_host","forwardedProto":"$http_x_forwarded_proto"}';
    }
  }
}
`

export const startUpstream = async (children: Children, folder: string, cpus: string): Promise<Upstream> => {
  const files = join(folder, 'files')
  await mkdir(files, { recursive: true })
  await writeFile(join(files, '64k'), Buffer.alloc(64 * KIBIBYTE, 'sixty-four kibibytes '))
  await writeFile(join(files, '10m'), Buffer.alloc(10 * MEBIBYTE, 'ten mebibytes '))
  const port = await freePort()
  const file = join(folder, 'nginx.conf')
  await writeFile(file, configuration(folder, port))
  const child = children.start({
    name: 'upstream',
    cpus,
    command: 'nginx',
    args: ['-e', 'stderr', '-p', folder, '-c', file],
  })
  await answers(port, child, START_TIMEOUT_MS)
  const bytesRead = await readByUpload(port)
  if (!(bytesRead >= UPLOAD_BYTES)) throw new Error(`the upstream answers an upload after ${bytesRead} bytes of it`)
  return { pid: child.pid, port, socketPath: join(folder, 'app.sock') }
}

/** How much of an upload the upstream had read, head included, when it answered. */
export const readByUpload = (port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const upload = request({ host: '127.0.0.1', port, path: PATHS.upload, method: 'POST', agent: false }, (reply) => {
      reply.resume()
      resolve(Number(reply.headers['x-bytes-read']))
    })
    upload.on('error', reject)
    upload.end(Buffer.alloc(UPLOAD_BYTES, 'x'))
  })
