// A token endpoint of @node-oauth/oauth2-server with all three grants, and /api, which takes its tokens.
// Assertions are verified by jose. It prints its address once it listens.
import { createPublicKey } from 'node:crypto'
import { createServer } from 'node:http'
import OAuth2Server from '@node-oauth/oauth2-server'
import { jwtVerify } from 'jose'

const { AbstractGrantType, InvalidGrantError, Request, Response } = OAuth2Server
const keys = Object.fromEntries(Object.entries(JSON.parse(process.env.KEYS)).map(([alg, pem]) => [alg, createPublicKey(pem)]))
keys.HS256 = Buffer.from(process.env.SECRET)
const jwtBearer = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const seen = new Set()
let url

class JWTBearer extends AbstractGrantType {
  constructor(options) {
    super(options)
    this.model = options.model
  }

  async handle(request, client) {
    try {
      const { payload } = await jwtVerify(request.body.assertion, (header) => keys[header.alg], {
        issuer: 'me', subject: 'ada', audience: url + '/token', requiredClaims: ['exp', 'iat', 'jti'], maxTokenAge: '5 minutes', clockTolerance: 1,
      })
      if (seen.has(payload.jti)) throw new Error('this assertion was used before')
      seen.add(payload.jti)
    } catch (e) {
      throw new InvalidGrantError(e.message)
    }
    const token = { accessToken: await this.generateAccessToken(), accessTokenExpiresAt: this.getAccessTokenExpiresAt(), scope: request.body.scope?.split(' ') }
    return this.model.saveToken(token, client, { id: 'ada' })
  }
}

const tokens = new Map()
const model = {
  getClient: async (id, secret) => id === process.env.CLIENT && (secret === null || secret === process.env.SECRET) &&
    { id, grants: ['client_credentials', 'password', jwtBearer], redirectUris: [] },
  getUserFromClient: async () => ({ id: 'machine' }),
  getUser: async (name, password) => name === 'ada@example.com' && password === process.env.PASSWORD && { id: name },
  validateScope: async (user, client, scope) => (scope ?? []).every((s) => s === 'read' || s === 'write') && (scope ?? []),
  saveToken: async (token, client, user) => {
    const saved = { ...token, client, user }
    tokens.set(token.accessToken, saved)
    return saved
  },
  getAccessToken: async (token) => tokens.get(token),
}
const oauth = new OAuth2Server({ model, extendedGrantTypes: { [jwtBearer]: JWTBearer }, accessTokenLifetime: 3600, requireClientAuthentication: { [jwtBearer]: true } })
const server = createServer(async (req, res) => {
  let body = ''
  for await (const chunk of req) body += chunk
  const { pathname, searchParams } = new URL(req.url, url)
  const request = new Request({ method: req.method, headers: req.headers, query: Object.fromEntries(searchParams), body: Object.fromEntries(new URLSearchParams(body)) })
  const response = new Response()
  try {
    if (pathname === '/token') await oauth.token(request, response)
    else response.body = { user: (await oauth.authenticate(request, response)).user.id }
  } catch (e) {
    response.status = e.code ?? 500
    response.body ??= { error: e.name, error_description: e.message }
  }
  res.writeHead(response.status ?? 200, { 'content-type': 'application/json', ...response.headers })
  res.end(JSON.stringify(response.body))
})
server.listen(0, '127.0.0.1', () => {
  url = `http://127.0.0.1:${server.address().port}`
  console.log(url)
})
