package main

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
)

// forgetEnv takes a variable away from this process and from what /proc/PID/environ shows of it: the kernel goes on
// showing the memory in which the environment was handed over, whatever os.Unsetenv does. Where there is no /proc only
// the first is done.
func forgetEnv(name string) error {
	if os.Getenv(name) == "" {
		return nil
	}
	return errors.Join(os.Unsetenv(name), blankEnv(name))
}

// blankEnv overwrites the value of a variable in the memory of the first environment (proc(5): env_start is field 50 of
// /proc/PID/stat).
func blankEnv(name string) error {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return nil // no Linux, or none of its /proc
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // from field 3 on; the name before may hold spaces
	if len(fields) < 48 {
		return nil
	}
	start, err := strconv.ParseInt(fields[47], 10, 64)
	if err != nil || start == 0 {
		return err
	}
	env, err := os.ReadFile("/proc/self/environ")
	if err != nil {
		return err
	}
	memory, err := os.OpenFile("/proc/self/mem", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer memory.Close()
	for at := 0; at < len(env); {
		end := at + max(0, bytes.IndexByte(append(env[at:len(env):len(env)], 0), 0))
		if value := at + len(name) + 1; bytes.HasPrefix(env[at:end], []byte(name+"=")) {
			if _, err := memory.WriteAt(make([]byte, end-value), start+int64(value)); err != nil {
				return err
			}
		}
		at = end + 1
	}
	return nil
}
