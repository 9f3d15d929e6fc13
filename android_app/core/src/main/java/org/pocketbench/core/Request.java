package org.pocketbench.core;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** What is to be measured: request.json, the same words as `Request` of device_runners/wire.py, which is its twin. */
public final class Request {
    static final long WIRE_VERSION = 1;
    private static final long MOST_THREADS = 1024; // runtimes make as many as they are asked for

    /** One build to load; sha256 is checked before a runtime opens the file. */
    public static final class BuildFile {
        public final String id;
        public final String runtime;
        public final String path;
        public final String sha256;

        BuildFile(Fields fields) throws Refused {
            id = fields.text("id");
            runtime = fields.choice("runtime", "tflite", "executorch");
            path = fields.text("path");
            sha256 = fields.text("sha256");
            fields.end();
        }
    }

    /** How a build is timed. */
    public static final class Timing {
        public final String accelerator;
        public final int numThreads;
        public final long warmupRuns;
        public final double warmupMinSecs;
        public final double warmupMaxSecs;
        public final long numRuns;
        public final double minSecs;
        public final double maxSecs;
        public final long blocks;

        Timing(Fields fields) throws Refused {
            accelerator = fields.has("accelerator") ? fields.choice("accelerator", "cpu", "gpu", "npu") : "cpu";
            long threads = fields.count("num_threads", 1);
            if (threads > MOST_THREADS) {
                throw new Refused("num_threads is " + threads + ", more than " + MOST_THREADS);
            }
            numThreads = (int) threads;
            warmupRuns = fields.count("warmup_runs", 0);
            warmupMinSecs = fields.seconds("warmup_min_secs");
            warmupMaxSecs = fields.seconds("warmup_max_secs");
            numRuns = fields.count("num_runs", 1);
            minSecs = fields.seconds("min_secs");
            maxSecs = fields.seconds("max_secs");
            blocks = fields.count("blocks", 1);
            fields.end();
        }
    }

    /** One block of a plan: `calls` timed calls of builds[build]. */
    public static final class PlannedBlock {
        public final int build;
        public final long calls;

        PlannedBlock(Fields fields, int builds) throws Refused {
            long wanted = fields.count("build", 0);
            if (wanted >= builds) {
                throw new Refused("a planned block asks for build " + wanted + " of " + builds);
            }
            build = (int) wanted;
            calls = fields.count("calls", 1);
            fields.end();
        }
    }

    public final String runId;
    public final List<BuildFile> builds = new ArrayList<>();
    public final Timing timing;
    public final List<PlannedBlock> plan = new ArrayList<>();
    public final boolean paced;
    public final List<TensorFile> inputs = new ArrayList<>();
    public final String outputs;
    public final long samplesPerBlock;

    private Request(Fields fields) throws Refused {
        long version = fields.count("wire_version", 0, WIRE_VERSION);
        if (version != WIRE_VERSION) {
            throw new Refused(
                    "the request speaks wire version " + version + ", this is version " + WIRE_VERSION,
                    "install the same version of pocketbench on both sides");
        }
        runId = fields.text("run_id");
        for (Fields build : fields.objects("builds", false)) {
            builds.add(new BuildFile(build));
        }
        timing = new Timing(fields.requiredInner("timing"));
        for (Fields block : fields.objects("plan", true)) {
            plan.add(new PlannedBlock(block, builds.size()));
        }
        paced = fields.flag("paced", false);
        for (Fields input : fields.objects("inputs", true)) {
            inputs.add(TensorFile.of(input));
        }
        outputs = fields.text("outputs", "");
        samplesPerBlock = fields.count("samples_per_block", 0, 0);
        fields.end();
    }

    /** The request in a text; Refused names what is wrong with it. */
    public static Request read(String text) throws Refused {
        Request request = new Request(Fields.of(Json.read(text), "$"));
        if (request.builds.isEmpty()) {
            throw new Refused("the request names no build");
        }
        if (request.paced && request.plan.isEmpty()) {
            throw new Refused("a paced request needs a plan");
        }
        Set<Long> samples = new HashSet<>();
        for (TensorFile input : request.inputs) {
            samples.add(input.samples);
        }
        if (samples.size() > 1) {
            throw new Refused("the inputs differ in their number of samples");
        }
        return request;
    }
}
