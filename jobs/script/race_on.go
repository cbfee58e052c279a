//go:build race

package script

// dataLimit leaves room for the shadow memory of the race detector, which counts as data.
const dataLimit = 1 << 40

// raced tells tests that workers have no memory limit in this build.
const raced = true
