package org.pocketbench.core;

import java.io.File;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * One build from its file to its result, the steps in their order: open, warmUp, blocks, runSamples, result. Any of
 * them may be Refused; after `refuse` all but the last do nothing. The twin of device_runners/host_build.py.
 */
final class Build {
    private static final int ROTATED_SAMPLES = 8; // as many inputs take turns in the timing; all are run afterwards

    private interface Work<T> {
        T done() throws Refused;
    }

    final Request.BuildFile file;
    long timedCalls;

    private final Request request;
    private final Session session;
    private final List<SampleFile> samples = new ArrayList<>();
    private final BuildResult result;
    private Engine engine;
    private Loop loop;
    private MemoryMark mark;
    private long waitedNs;
    private long wallNs;

    Build(Request.BuildFile file, Request request, Session session) {
        this.file = file;
        this.request = request;
        this.session = session;
        result = new BuildResult(file.id);
    }

    String failure() {
        return result.failure;
    }

    /** Its failure, in one line. */
    void refuse(Refused error) {
        result.failure = error.told();
        close();
    }

    /** Check the file, load it, and call it once; the memory mark stands right before the load. */
    void open(EngineRuntime runtime) throws Refused {
        File path = session.folder.resolve(file.path);
        Sha256.check(path, file.sha256);
        for (TensorFile input : request.inputs) {
            samples.add(new SampleFile(input, session.folder));
        }
        List<Tensor> first = sample(0);
        List<long[]> shapes = new ArrayList<>();
        first.forEach(tensor -> shapes.add(tensor.shape));
        mark = MemoryMark.set(session.platform);
        long start = session.clock.nanos();
        engine = called(() -> runtime.load(path, shapes));
        result.loadNs = session.clock.nanos() - start;
        List<Tensor> fed = first.isEmpty() ? Fitting.zeros(engine.inputs()) : Fitting.fitted(first, engine.inputs());
        Runnable feed = engine.feeding(fed);
        loop = new Loop(session.stopwatch, session.clock, engine, feed, request.timing, session.control);
        called(() -> {
            loop.first();
            return null;
        });
        result.firstInferenceNs = loop.lastWallNs();
        result.facts.put("first_inference_wait_ns", Long.toString(loop.lastWaitNs()));
        long firstOnCpuNs = loop.lastWallNs() - loop.lastWaitNs();
        called(() -> {
            loop.size(firstOnCpuNs, this::isRepeatable);
            return null;
        });
        result.facts.putAll(engine.facts());
        noteInputs();
    }

    /** Until steady; then memory is read, and the other samples join the rotation. */
    void warmUp() throws Refused {
        if (loop == null) {
            return;
        }
        result.warmup = called(loop::warmUp);
        result.steady = loop.steady;
        result.memory = mark.since();
        result.delegation = engine.delegation();
        if (!samples.isEmpty()) {
            List<Runnable> feeds = new ArrayList<>();
            for (int i = 0; i < Math.min(ROTATED_SAMPLES, samples.get(0).file.samples); i++) {
                feeds.add(engine.feeding(Fitting.fitted(sample(i), engine.inputs())));
            }
            loop.rotate(feeds);
        }
    }

    /** One of `timing.blocks` equal shares of the runs and the time asked for. */
    void block() throws Refused {
        if (loop == null || (!result.blocks.isEmpty() && loop.leftNs() <= 0)) {
            return;
        }
        Request.Timing timing = request.timing;
        long calls = (timing.numRuns + timing.blocks - 1) / timing.blocks;
        timed(() -> loop.block(calls, timing.minSecs / timing.blocks, 1.0 / timing.blocks));
    }

    void plannedBlock(long calls) throws Refused {
        if (loop != null) {
            timed(() -> loop.block(calls, 0, 1));
        }
    }

    /** Every sample once; outputs go to disk one by one. */
    void runSamples() throws Refused {
        if (engine == null || request.outputs.isEmpty() || samples.isEmpty()) {
            return;
        }
        String stem = request.builds.size() > 1 ? file.id.replaceAll("[^A-Za-z0-9_.-]+", "-") + "-" : "";
        OutputWriter writer = new OutputWriter(session.folder.output(request.outputs), request.outputs, stem);
        for (long number = 0; number < samples.get(0).file.samples; number++) {
            session.control.check();
            engine.reset();
            engine.feeding(Fitting.fitted(sample(number), engine.inputs())).run();
            List<Tensor> read = called(() -> {
                engine.invoke();
                return engine.read();
            });
            List<Tensor> restored = new ArrayList<>();
            for (int i = 0; i < read.size(); i++) {
                restored.add(Fitting.restored(read.get(i), engine.outputs().get(i)));
            }
            writer.add(restored);
        }
        result.outputFiles = writer.files();
        result.facts.put("non_finite_outputs", Long.toString(writer.nonFinite));
    }

    /** energy: null for none. */
    BuildResult result(Map<String, Object> energy) {
        if (!result.failure.isEmpty()) {
            return BuildResult.failed(file.id, result.failure);
        }
        result.inputs = engine.inputs();
        result.outputs = engine.outputs();
        result.energy = energy;
        noteLoop();
        return result;
    }

    void close() {
        if (engine != null) {
            engine.close();
        }
        engine = null;
        loop = null;
        for (SampleFile sample : samples) {
            try {
                sample.close();
            } catch (java.io.IOException error) {
                session.log("a file of samples cannot be closed: " + error);
            }
        }
        samples.clear();
    }

    private void timed(Work<Block> work) throws Refused {
        long before = Linux.runQueueWaitNs();
        Block block = called(work);
        long after = Linux.runQueueWaitNs();
        for (long wall : block.wallNs) {
            wallNs += wall;
        }
        timedCalls += block.wallNs.length * block.callsPerSample;
        result.blocks.add(block.thinned(request.samplesPerBlock));
        waitedNs += before >= 0 && after >= 0 ? after - before : 0;
        session.platform.blockEnded();
    }

    private List<Tensor> sample(long number) throws Refused {
        List<Tensor> found = new ArrayList<>();
        for (SampleFile sample : samples) {
            found.add(sample.read(number));
        }
        return found;
    }

    /** Whether a call leaves the inputs as they were fed; a memory plan may put other tensors in their place. */
    private boolean isRepeatable() throws Refused {
        List<Tensor> fed = engine.read();
        engine.invoke();
        List<Tensor> again = engine.read();
        boolean same = true;
        for (int i = 0; i < fed.size(); i++) {
            same &= fed.get(i).sameBytes(again.get(i));
        }
        return same;
    }

    /** What stands between the samples and the build. */
    private void noteInputs() {
        result.facts.put("num_threads", Integer.toString(request.timing.numThreads));
        for (int i = 0; i < samples.size(); i++) {
            String given = samples.get(i).file.dtype;
            TensorSpec spec = engine.inputs().get(i);
            if (!given.equals(spec.dtype)) {
                String how = spec.isQuantized() ? "quantized" : "cast";
                result.facts.put("input_" + i, how + " from " + given + " to " + spec.dtype);
            }
        }
        for (int i = 0; i < engine.outputs().size(); i++) {
            if (engine.outputs().get(i).isQuantized()) {
                result.facts.put("output_" + i, "dequantized from " + engine.outputs().get(i).dtype + " to float32");
            }
        }
    }

    /** run_queue_wait_share: of all threads of the process, of the time on the wall in the blocks. */
    private void noteLoop() {
        result.facts.put("calls_per_sample", Long.toString(loop.callsPerSample));
        result.facts.put("idle_call_ns", "0"); // a native call costs some ten nanoseconds: nothing is taken off
        if (wallNs > 0 && Linux.runQueueWaitNs() >= 0) {
            double share = (double) waitedNs / wallNs;
            result.facts.put("run_queue_wait_share", String.format(Locale.ROOT, "%.3f", share));
        }
        if (loop.cutShort) {
            result.facts.put("cut_short", "max_secs " + request.timing.maxSecs + " ended the timing");
        }
    }

    /** A runtime that fails in the middle of a call says so with a RuntimeException. */
    private static <T> T called(Work<T> work) throws Refused {
        try {
            return work.done();
        } catch (RuntimeException error) {
            throw new Refused("the build failed when it was run: " + Refused.oneLine(error));
        }
    }
}
