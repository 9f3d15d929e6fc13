package org.pocketbench.core;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Serves one request: load and warm every build, time the blocks, run the samples. The twin of
 * device_runners/host_worker.py. What goes wrong with one build is that build's failure.
 */
public final class Worker {
    private interface Step {
        void done() throws Refused;
    }

    private final Request request;
    private final Setting setting;
    private final Channel channel;
    private final Map<String, EngineRuntime> runtimes = new LinkedHashMap<>();
    private final Map<String, Refused> refused = new LinkedHashMap<>();
    private final List<Build> builds = new ArrayList<>();

    /** channel: for a paced request, else null. */
    public Worker(Request request, Setting setting, Channel channel) {
        this.request = request;
        this.setting = setting;
        this.channel = channel;
    }

    /** To be called once, by the thread that times. Refused: nothing can be said about any build. */
    public Response serve() throws Refused {
        Response response = new Response(request.runId, Response.now());
        startRuntimes();
        Watch watch = new Watch(setting.platform, setting.clock);
        EnergyMeter meter = meter();
        try (Stopwatch stopwatch = new Stopwatch(setting.clock, RunQueue.ofThisThread())) {
            Session session = new Session(setting, stopwatch);
            for (Request.BuildFile file : request.builds) {
                builds.add(new Build(file, request, session));
            }
            for (Build build : builds) {
                open(build, meter);
            }
            watch.begin();
            time(meter);
            stage("idling after", builds.get(0), meter::idle); // a meter works for a build that is alone
            response.facts.putAll(watch.facts());
            response.facts.put("probe_ns", Long.toString(stopwatch.probeNs));
        } catch (IOException error) {
            throw new Refused("the clock cannot be closed: " + Refused.oneLine(error));
        }
        for (Build build : builds) {
            stage("running the samples", build, build::runSamples);
        }
        runtimes.values().forEach(runtime -> response.facts.putAll(runtime.facts()));
        response.facts.putAll(MemoryMark.shareOfProcess());
        response.facts.putAll(setting.platform.facts());
        for (Build build : builds) {
            response.results.add(build.result(meter.trace(build.timedCalls)));
            build.close();
        }
        return response;
    }

    private void startRuntimes() {
        for (Request.BuildFile file : request.builds) {
            if (runtimes.containsKey(file.runtime) || refused.containsKey(file.runtime)) {
                continue;
            }
            setting.log.say("starting the " + file.runtime + " runtime");
            try {
                runtimes.put(file.runtime, setting.engines.start(file.runtime, request.timing));
            } catch (Refused error) {
                refused.put(file.runtime, error);
            }
        }
    }

    private void open(Build build, EnergyMeter meter) {
        if (refused.containsKey(build.file.runtime)) {
            build.refuse(refused.get(build.file.runtime));
            return;
        }
        stage("loading", build, () -> build.open(runtimes.get(build.file.runtime)));
        stage("idling before", build, meter::idle); // here and not later: what idled is cold, and its clock is low
        stage("warming up", build, build::warmUp);
    }

    private void time(EnergyMeter meter) {
        if (request.paced) {
            paced();
        } else if (!request.plan.isEmpty()) {
            for (Request.PlannedBlock planned : request.plan) {
                planned(planned);
            }
        } else {
            meter.read();
            List<Build> order = new ArrayList<>(builds);
            for (long number = 0; number < request.timing.blocks; number++) { // A B, B A, A B ...
                for (Build build : order) {
                    stage("timing", build, build::block);
                    meter.read();
                }
                Collections.reverse(order);
            }
        }
    }

    /** Blocks on demand; a refused build ends it, since there is nothing left to compare. */
    private void paced() {
        String answer = answer(Channel.READY);
        channel.say(answer);
        for (Request.PlannedBlock planned : request.plan) {
            if (answer.startsWith(Channel.FAILED) || heard().equals(Channel.FINISH)) {
                return;
            }
            planned(planned);
            answer = answer(Channel.DONE);
            channel.say(answer);
        }
    }

    /** What is wanted next; where nobody can tell, every build fails with the reason. */
    private String heard() {
        try {
            return channel.hear();
        } catch (Refused error) {
            for (Build build : builds) {
                build.refuse(error);
            }
            return Channel.FINISH;
        }
    }

    private void planned(Request.PlannedBlock planned) {
        Build build = builds.get(planned.build);
        stage("timing", build, () -> build.plannedBlock(planned.calls));
    }

    private String answer(String word) {
        for (Build build : builds) {
            if (!build.failure().isEmpty()) {
                return Channel.FAILED + " " + build.file.id + ": " + build.failure();
            }
        }
        return word;
    }

    /** Idle for half of the timed seconds on each side; off where several builds share the time or a plan says more. */
    private EnergyMeter meter() {
        boolean alone = request.builds.size() == 1 && request.plan.isEmpty();
        EnergyMeter.Sleep sleep = secs -> {
            setting.control.check();
            try {
                Thread.sleep((long) (secs * 1e3));
            } catch (InterruptedException error) {
                throw new Refused("interrupted while idle");
            }
        };
        EnergyCounter counter = alone ? setting.platform.energy() : null;
        return new EnergyMeter(counter, request.timing.minSecs / 2, sleep, setting.clock);
    }

    /** Says in the log what is done to which build, and makes its errors the build's own failure. */
    private void stage(String doing, Build build, Step step) {
        if (!build.failure().isEmpty()) {
            setting.log.say("skipping, refused before: " + doing + " " + build.file.id);
            return;
        }
        setting.log.say(doing + " " + build.file.id);
        try {
            step.done();
        } catch (Refused error) {
            giveUp(build, error);
        } catch (LinkageError error) { // a library or class of the runtime, which is looked for when it is first used
            String what = error.getClass().getSimpleName() + ": " + Refused.oneLine(error);
            giveUp(build, new Refused("the runtime cannot be loaded: " + what, "install an app that holds it"));
        } catch (OutOfMemoryError error) {
            giveUp(build, new Refused("Java ran out of memory while " + doing + ": " + Refused.oneLine(error),
                    "measure it with smaller inputs or outputs"));
        }
    }

    private void giveUp(Build build, Refused error) {
        setting.log.say("giving up " + build.file.id + ": " + error.getMessage());
        build.refuse(error);
    }
}
