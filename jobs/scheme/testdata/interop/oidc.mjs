// A certified OpenID provider (panva/oidc-provider) with clients that authenticate in every way it knows.
// It prints its address once it listens; KEYS holds public keys as PEM texts by algorithm.
import { createPublicKey } from 'node:crypto'
import { createServer } from 'node:http'
import Provider from 'oidc-provider'

const keys = Object.entries(JSON.parse(process.env.KEYS)).map(([alg, pem]) =>
  ({ ...createPublicKey(pem).export({ format: 'jwk' }), alg, use: 'sig', kid: alg }))
const client = (client_id, token_endpoint_auth_method, more) => ({
  client_id, token_endpoint_auth_method, client_secret: process.env.SECRET,
  grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope: 'read write', ...more,
})
const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const url = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(url, {
    scopes: ['read', 'write'],
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
    enabledJWA: { clientAuthSigningAlgValues: ['HS256', 'RS256', 'RS384', 'RS512', 'ES256', 'ES384'] },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt'],
    clients: [
      client(process.env.CLIENT, 'client_secret_basic'),
      client('post', 'client_secret_post'),
      client('shared', 'client_secret_jwt'),
      ...keys.map((k) => client(k.alg, 'private_key_jwt', { client_secret: undefined, jwks: { keys: [k] }, token_endpoint_auth_signing_alg: k.alg })),
    ],
  })
  server.on('request', provider.callback())
  console.log(url)
})
