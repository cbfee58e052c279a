// An S3 store (@20minutes/s3rver) that verifies signatures, with one bucket, in FOLDER. It prints its address once it listens.
import S3rver from '@20minutes/s3rver'

const store = new S3rver({ address: '127.0.0.1', port: 0, silent: true, directory: process.env.FOLDER, configureBuckets: [{ name: 'bucket' }] })
const { port } = await store.run()
console.log(`http://127.0.0.1:${port}`)
