package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"waybill/jobs/bench"
)

type benchCmd struct {
	Scenario    string `arg:"" optional:"" enum:"main,hanging,idle,overload,stored,retention,flows,audience,flood,export,lots" default:"main" help:"main: against a bare loop; hanging: one bad destination among 50; idle: 1,000 destinations; overload: ten times what a receiver takes; stored: beside a full store; retention: while old data is removed; flows: runs of a workflow beside plain deliveries; audience: realtime beside 100,000 records; flood: others beside a partner who misbehaves; export: realtime beside the hourly export of a full hour; lots: many events in each request."`
	Stored      int    `help:"Events that scenarios stored, retention and export begin with." default:"200000"`
	Seconds     int    `help:"How long each load runs, in seconds." default:"4"`
	Connections int    `help:"Connections of the load." default:"256"`
}

// Run drives this very program as another process, on a data folder of its own.
func (c benchCmd) Run(io streams) error {
	if c.Seconds < 1 || c.Connections < 1 {
		return fmt.Errorf("--seconds and --connections are at least 1")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return bench.Run(ctx, bench.Options{Self: self, Out: io.out, Load: time.Duration(c.Seconds) * time.Second, Connections: c.Connections,
		Scenario: c.Scenario, Stored: c.Stored})
}
