package wire

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"nodeagent/internal/health"
	"nodeagent/internal/reconcile"
	"nodeagent/internal/view"
)

// wakePause is the shortest time between two wakes of readers: a flood of packets must not become a flood of looks.
const wakePause = 100 * time.Millisecond

// Wire is the listener as the agent knows it. It is a task.
type Wire struct {
	// View is what was heard last.
	View view.Cell[View]

	config func() Config
	board  *health.Board
	log    *zap.Logger
	loop   *reconcile.Loop

	// Of the loop alone.
	open     map[string]*listener
	links    links
	listed   time.Time // when links was read; zero: never
	probed   map[netip.Addr]time.Time
	probes   uint64
	failures uint64
	said     map[string]string // by interface: the failure that was logged

	mu      sync.Mutex // of what follows; readers hold it for one packet
	tracker *Tracker
	own     []Own
	locals  map[string]bool     // MAC addresses of this node
	addrs   map[netip.Addr]bool // addresses of this node
	woken   time.Time
}

// New makes a Wire that does nothing until Run. config is called once a pass; the board must know Conditions.
func New(config func() Config, board *health.Board, log *zap.Logger) *Wire {
	w := &Wire{config: config, board: board, log: log, open: map[string]*listener{}, probed: map[netip.Addr]time.Time{}, said: map[string]string{}, tracker: NewTracker()}
	w.loop = reconcile.NewLoop(w.pass, reconcile.Options{Name: "VRRP on the wire", OnError: func(err error) { log.Error("look at the wire", zap.Error(err)) }})
	return w
}

// Run listens until ctx ends, and leaves no socket behind.
func (w *Wire) Run(ctx context.Context) error {
	defer w.closeAll()
	return w.loop.Run(ctx)
}

// Ready is closed once the first look is over, whatever it found.
func (w *Wire) Ready() <-chan struct{} { return w.loop.Ready() }

// Beat is now while it waits, else when its look began.
func (w *Wire) Beat() time.Time { return w.loop.Beat() }

// Bound is the longest a healthy look takes.
func (w *Wire) Bound() time.Duration { return w.loop.Bound() }

func (w *Wire) String() string { return w.loop.String() }

// Wake looks as soon as may be: our own state or the configuration is another.
func (w *Wire) Wake() { w.loop.Wake() }

func (w *Wire) closeAll() {
	for name, l := range w.open {
		l.close()
		delete(w.open, name)
	}
}

// pass is one look.
func (w *Wire) pass(context.Context) (time.Time, error) {
	c := w.config()
	own := c.own()
	now := time.Now()
	if err := w.list(own, now); err != nil {
		return time.Time{}, err
	}
	links := w.links
	errs := w.listen(own, links)
	w.probe(own, c.probe())

	w.mu.Lock()
	w.own, w.locals, w.addrs = own, links.macs, maps.Clone(links.addrs)
	for _, o := range own {
		for _, v := range o.VIPs {
			delete(w.addrs, v) // a VIP says nothing about whose advert it is
		}
	}
	w.tracker.Settle(own, max(c.probe(), time.Second), now)
	findings := w.tracker.Judge(own, now)
	names := slices.Sorted(maps.Keys(w.open))
	noise := w.tracker.Noise(names, now)
	v := w.tracker.View(now)
	w.mu.Unlock()

	v.Listening, v.Probes, v.Failures = names, w.probes, w.failures
	pause := c.Interval
	if len(own) == 0 {
		pause = max(pause, seldom)
	}
	looks := publishable(own, findings, noise, errs, health.Validity(pause, time.Second))
	if looks[0].Findings[0].Status == health.Absent {
		v.Off = looks[0].Findings[0].Message
	}
	w.board.Publish(looks...)
	w.View.Set(v)
	return now.Add(pause), nil
}

// publishable makes looks: an instance whose interface can't be listened to is Unknown whatever was heard before, and without CAP_NET_RAW
// everything is Absent.
func publishable(own []Own, findings, noise []health.Finding, errs map[string]error, valid time.Duration) []health.Look {
	absent := func(why string) []health.Look {
		f := []health.Finding{{Status: health.Absent, Message: why}}
		return []health.Look{{Of: VRRPWire, Valid: valid, Findings: f}, {Of: VRRPNoise, Valid: valid, Findings: f}}
	}
	if len(own) == 0 {
		return absent("no VRRP instance is configured on this node")
	}
	denied := 0
	for i, o := range own {
		err := errs[o.Interface]
		if err == nil {
			continue
		}
		if errors.Is(err, os.ErrPermission) {
			denied++
		}
		findings[i] = health.Finding{Subject: o.Name, Status: health.Unknown, Reason: reasonListen, Message: err.Error()}
	}
	if denied == len(own) {
		return absent("the wire is not listened to: this process has no CAP_NET_RAW")
	}
	for _, name := range slices.Sorted(maps.Keys(errs)) {
		noise = append(noise, health.Finding{Subject: name, Status: health.Unknown, Reason: reasonListen, Message: errs[name].Error()})
	}
	return []health.Look{{Of: VRRPWire, Valid: valid, Findings: findings}, {Of: VRRPNoise, Valid: valid, Findings: noise}}
}

// seldom is the pause where no instance is configured.
const seldom = 5 * time.Second

// relist is the longest that a list of this node's interfaces and addresses is used: a node with many pods has hundreds, and those that matter
// here hardly change.
const relist = 10 * time.Second

// list reads the interfaces where that is due: there is an instance, and the list is old or one of its interfaces is not listened to, which it is
// not at first, once its socket failed, and while the interface is not there.
func (w *Wire) list(own []Own, now time.Time) error {
	due := now.Sub(w.listed) >= relist
	for _, o := range own {
		l := w.open[o.Interface]
		due = due || l == nil || l.failed() != nil
	}
	if len(own) == 0 || !due {
		return nil
	}
	have, err := interfaces()
	if err != nil {
		return err
	}
	w.links, w.listed = have, now
	return nil
}

// links is what this node has.
type links struct {
	byName map[string]net.Interface
	macs   map[string]bool
	addrs  map[netip.Addr]bool
}

func interfaces() (links, error) {
	all, err := net.Interfaces()
	if err != nil {
		return links{}, fmt.Errorf("list interfaces: %w", err)
	}
	out := links{byName: map[string]net.Interface{}, macs: map[string]bool{}, addrs: map[netip.Addr]bool{}}
	for _, i := range all {
		out.byName[i.Name] = i
		if len(i.HardwareAddr) > 0 {
			out.macs[i.HardwareAddr.String()] = true
		}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return links{}, fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out.addrs[p.Addr().Unmap()] = true
		}
	}
	return out, nil
}

// listen opens and closes listeners, and says what can't be listened to.
func (w *Wire) listen(own []Own, have links) map[string]error {
	want := map[string][]netip.Addr{}
	for _, o := range own {
		want[o.Interface] = append(want[o.Interface], o.VIPs...)
	}
	errs := map[string]error{}
	for name, l := range w.open {
		ifi, there := have.byName[name]
		vips, wanted := want[name]
		err := l.failed()
		if err != nil {
			w.failures++
			w.say(name, err)
		}
		if err != nil || !there || !wanted || !l.same(ifi, vips) {
			l.close()
			delete(w.open, name)
		}
	}
	for name, vips := range want {
		if w.open[name] != nil {
			continue
		}
		ifi, there := have.byName[name]
		if !there {
			errs[name] = fmt.Errorf("there is no interface %s", name)
		} else if l, err := listen(ifi, vips, w.take); err != nil {
			errs[name] = err
		} else {
			w.open[name] = l
		}
		w.say(name, errs[name])
	}
	return errs
}

// say logs a failure once, and that it is over.
func (w *Wire) say(name string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if was := w.said[name]; was != text {
		w.said[name] = text
		switch {
		case err == nil:
			w.log.Info("VRRP is listened to again", zap.String("interface", name))
		case errors.Is(err, os.ErrPermission):
			w.log.Info("VRRP is not listened to: no CAP_NET_RAW", zap.String("interface", name))
		default:
			w.log.Warn("VRRP can't be listened to", zap.String("interface", name), zap.Error(err))
		}
	}
}

// probe asks for each VIP that this node holds, not more often than every.
func (w *Wire) probe(own []Own, every time.Duration) {
	now := time.Now()
	held := map[netip.Addr]bool{}
	for _, o := range own {
		l := w.open[o.Interface]
		if l == nil || every == 0 || !o.Known || !o.Holds {
			continue
		}
		for _, vip := range o.VIPs {
			held[vip] = true
			if last, ok := w.probed[vip]; ok && now.Sub(last) < every {
				continue
			}
			w.probed[vip] = now
			if err := l.send(vip); err == nil {
				w.probes++
			}
		}
	}
	maps.DeleteFunc(w.probed, func(vip netip.Addr, last time.Time) bool { return !held[vip] && now.Sub(last) > every })
}

// take puts one packet into the tracker. It is called from the readers.
func (w *Wire) take(p heard) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch p.kind {
	case unix.ETH_P_ARP:
		if addr, mac, ok := parseARP(p.data); ok {
			w.answered(p.iface, addr, mac.String(), now)
		}
		return
	case unix.ETH_P_IPV6:
		if addr, ok := parseAdvertisement(p.data); ok {
			w.answered(p.iface, addr, p.mac, now)
			return
		}
	}
	parse := ParseIPv4
	if p.kind == unix.ETH_P_IPV6 {
		parse = ParseIPv6
	}
	a, err := parse(p.data)
	switch {
	case errors.Is(err, errNotVRRP):
		return
	case err != nil:
		w.tracker.Malformed(p.iface, p.mac, err, now)
		return
	case w.addrs[a.Src]: // our own, which came back
		return
	}
	instance := ""
	for _, o := range w.own {
		if o.owns(p.iface, a.VRID, a.V6()) {
			instance = o.Name
		}
	}
	if w.tracker.Hear(p.iface, p.mac, instance, a, now) && now.Sub(w.woken) >= wakePause {
		w.woken = now
		w.loop.Wake()
	}
}

// answered takes a word about a VIP of ours from a MAC address that is not.
func (w *Wire) answered(iface string, addr netip.Addr, mac string, now time.Time) {
	if w.locals[mac] {
		return
	}
	for _, o := range w.own {
		if o.Interface == iface && o.Holds && slices.Contains(o.VIPs, addr) {
			w.tracker.Answered(iface, addr, mac, now)
			return
		}
	}
}
