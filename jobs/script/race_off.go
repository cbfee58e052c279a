//go:build !race

package script

// dataLimit is RLIMIT_DATA of a worker in bytes.
const dataLimit = 256 << 20

const raced = false
