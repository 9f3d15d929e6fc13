package org.pocketbench.host;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.util.LinkedHashMap;
import java.util.Map;
import org.pocketbench.core.Engines;
import org.pocketbench.core.Job;
import org.pocketbench.core.JobFile;
import org.pocketbench.core.Platform;
import org.pocketbench.core.Refused;
import org.pocketbench.core.Request;

/**
 * What `am instrument` starts on a device of our own tests: the app's process without Android. The arguments are those
 * of am after `instrument`, and it says what am says; a job is trusted or not by the same rules as in the app. The
 * folders are those of a phone, or stand below the property pocketbench.root.
 */
public final class Instrument {
    private static final String COMPONENT =
            "org\\.pocketbench\\.app\\.(litert|executorch)/org\\.pocketbench\\.app\\.BenchInstrumentation";
    private static final int OK = -1;
    private static final int CANCELED = 0;

    private final int out = Native.takeStandardOutput();
    private final Map<String, String> extras = new LinkedHashMap<>();
    private String component = "";

    private Instrument(String[] words) {
        for (int i = 0; i < words.length; i++) {
            if (words[i].equals("-e")) {
                extras.put(words[i + 1], words[i + 2]);
                i += 2;
            } else if (words[i].equals("--user")) {
                i++;
            } else if (!words[i].startsWith("-")) {
                component = words[i];
            }
        }
    }

    public static void main(String[] words) {
        int code = new Instrument(words).run();
        System.err.flush();
        Native.exit(code);
    }

    /** The exit code of am, which is 0 for a run that failed too. */
    private int run() {
        if (!component.matches(COMPONENT)) {
            say("INSTRUMENTATION_STATUS: id=ActivityManagerService");
            say("INSTRUMENTATION_STATUS: Error=Unable to find instrumentation info for: ComponentInfo{"
                    + component + "}");
            say("INSTRUMENTATION_STATUS_CODE: -1");
            return 1;
        }
        String prefix = System.getProperty("pocketbench.root", "");
        String runtime = component.startsWith("org.pocketbench.app.litert/") ? "tflite" : "executorch";
        File root = new File(prefix + "/data/local/tmp/pocketbench");
        File runs = new File(prefix + "/sdcard/Android/media/" + component.split("/")[0] + "/runs");
        try {
            finish(OK, new Job(root, runs, new Setup(runtime), this::stage).run(extras));
        } catch (Refused error) {
            System.err.println("pocketbench: refused: " + error.told());
            Map<String, String> reason = new LinkedHashMap<>();
            reason.put("reason", error.told());
            finish(CANCELED, reason);
        }
        return 0;
    }

    private void stage(String line) {
        System.err.println("pocketbench: " + line);
        say("INSTRUMENTATION_STATUS: stage=" + line);
        say("INSTRUMENTATION_STATUS_CODE: 1");
    }

    private void say(String line) {
        Native.write(out, (line + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private void finish(int code, Map<String, String> results) {
        results.forEach((key, value) -> say("INSTRUMENTATION_RESULT: " + key + "=" + value));
        say("INSTRUMENTATION_CODE: " + code);
    }

    /** One runtime, as each app has; lstat by way of java.nio. */
    private static final class Setup implements Job.Setup {
        private final String runtime;

        Setup(String runtime) {
            this.runtime = runtime;
        }

        @Override
        public Engines engines(Request request) {
            return (wanted, timing) -> {
                if (!wanted.equals(runtime)) {
                    throw new Refused("this app has " + runtime + ", not " + wanted,
                            "install the app of the other runtime as well");
                }
                return new HostEngines().start(wanted, timing);
            };
        }

        @Override
        public Platform platform() {
            return new HostPlatform();
        }

        @Override
        public JobFile.Status status(File path) throws IOException {
            String wanted = "unix:uid,mode,isRegularFile,isDirectory";
            if (!Files.exists(path.toPath(), LinkOption.NOFOLLOW_LINKS)) {
                throw new IOException("it is not there");
            }
            Map<String, Object> found = Files.readAttributes(path.toPath(), wanted, LinkOption.NOFOLLOW_LINKS);
            return new JobFile.Status((Integer) found.get("uid"), (Integer) found.get("mode"),
                    (Boolean) found.get("isRegularFile"), (Boolean) found.get("isDirectory"));
        }

        @Override
        public void kill(String reason) {
            System.err.println("pocketbench: " + reason);
            Native.exit(1);
        }
    }
}
