package android.app;

import android.content.Context;
import android.os.Bundle;
import java.util.ArrayList;
import java.util.List;

/** Pretended: one thread does it all, and how it ended is kept. */
public class Instrumentation {
    public int code = 99;
    public Bundle results;
    public final List<Bundle> told = new ArrayList<>();

    public void onCreate(Bundle arguments) {}

    public void start() {
        onStart();
    }

    public void onStart() {}

    public Context getTargetContext() {
        return new Context();
    }

    public void sendStatus(int code, Bundle status) {
        told.add(status);
    }

    public void finish(int code, Bundle results) {
        this.code = code;
        this.results = results;
    }
}
