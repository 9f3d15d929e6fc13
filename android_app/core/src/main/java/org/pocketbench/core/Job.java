package org.pocketbench.core;

import java.io.File;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * One run as an instrumentation is asked for it: a job file that is trusted or not, a request in it, a response in the
 * run's own folder of results. The same for the app and for what stands in for it on a JVM.
 */
public final class Job {
    /** Said of every run that is served: what stands before it in a log is of another one. */
    static final String BEGINNING = "beginning run ";

    static final double DEFAULT_SECS = 3600;
    private static final double MOST_SECS = 24 * 3600;

    /** Everything that the platform brings along. */
    public interface Setup {
        Engines engines(Request request);

        Platform platform();

        /** lstat. */
        JobFile.Status status(File path) throws java.io.IOException;

        /** End the process: a native call did not come back. */
        void kill(String reason);
    }

    private final File root;
    private final File runs;
    private final Setup setup;
    private final Log log;

    /** root: below it lie jobs, builds and samples; runs: a folder of results for each run. log: hears each stage. */
    public Job(File root, File runs, Setup setup, Log log) {
        this.root = root;
        this.runs = runs;
        this.setup = setup;
        this.log = log;
    }

    /**
     * arguments: run_id, job, and deadline_secs if wanted. What to hand back: response_bytes and response_sha256, so
     * that a torn copy is noticed. Refused: nothing was measured.
     */
    public Map<String, String> run(Map<String, String> arguments) throws Refused {
        String name = JobFile.runName(arguments.get("run_id"));
        double secs = seconds(arguments.get("deadline_secs"));
        String job = arguments.get("job");
        if (job == null) {
            throw new Refused("there is no job to run", "start it with -e job FILE");
        }
        File file = new File(job);
        Request request = Request.read(JobFile.trusted(file, root, setup::status));
        if (!request.runId.equals(name)) {
            throw new Refused("the job is of run '" + request.runId + "', not of '" + name + "'");
        }
        File results = new File(runs, name);
        if (!results.isDirectory() && !results.mkdirs()) {
            throw new Refused("the folder " + results + " cannot be made");
        }
        log.say(BEGINNING + name);
        Control control = new Control();
        Deadline deadline = new Deadline(control, secs, new File(file.getParentFile(), "cancel"),
                () -> setup.kill("a call did not come back after the run was stopped"));
        deadline.start();
        try {
            return served(request, file.getParentFile(), results, control);
        } finally {
            deadline.end();
        }
    }

    private Map<String, String> served(Request request, File folder, File results, Control control) throws Refused {
        Folder paths = Folder.confined(folder, results, root);
        Setting setting = new Setting(paths, setup.engines(request), setup.platform(), control, log);
        Channel channel = request.paced ? new FolderChannel(folder, log, control) : null;
        File place = new File(results, "response.json");
        new Worker(request, setting, channel).serve().write(place);
        Map<String, String> found = new LinkedHashMap<>();
        found.put("response_bytes", Long.toString(place.length()));
        found.put("response_sha256", Sha256.of(place));
        return found;
    }

    private static double seconds(String text) throws Refused {
        if (text == null) {
            return DEFAULT_SECS;
        }
        if (!text.matches("[0-9]{1,6}(\\.[0-9]{1,3})?") || Double.parseDouble(text) > MOST_SECS) {
            throw new Refused("deadline_secs is '" + text + "', expected seconds up to " + (long) MOST_SECS);
        }
        return Double.parseDouble(text);
    }
}
