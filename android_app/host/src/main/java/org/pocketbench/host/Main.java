package org.pocketbench.host;

import java.io.File;
import org.pocketbench.core.Control;
import org.pocketbench.core.Folder;
import org.pocketbench.core.JobFile;
import org.pocketbench.core.Refused;
import org.pocketbench.core.Request;
import org.pocketbench.core.Response;
import org.pocketbench.core.Setting;
import org.pocketbench.core.Worker;

/** The app's worker on this machine: `Main request.json response.json`, as device_runners/host_worker.py is called. */
public final class Main {
    private static final int NOT_DONE = 2;

    private Main() {}

    public static void main(String[] arguments) {
        StandardChannel channel = new StandardChannel();
        int code = 0;
        try {
            File place = new File(arguments[0]).getAbsoluteFile();
            Request request = read(place);
            Folder folder = Folder.open(place.getParentFile());
            Setting setting = new Setting(folder, new HostEngines(), new HostPlatform(), new Control(), Main::log);
            Response response = new Worker(request, setting, channel).serve();
            response.write(new File(arguments[1]));
        } catch (Refused error) {
            log("refused: " + error.told());
            code = NOT_DONE;
        }
        System.err.flush();
        Native.exit(code);
    }

    private static Request read(File place) throws Refused {
        try {
            return Request.read(JobFile.text(place));
        } catch (Refused error) {
            throw new Refused(place + ": " + error.getMessage(), error.remedy);
        }
    }

    private static void log(String line) {
        System.err.println("pocketbench: " + line);
    }
}
